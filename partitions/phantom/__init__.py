"""Synthetic gliomas on real anatomy, written as the same NIfTI folders as real data."""
