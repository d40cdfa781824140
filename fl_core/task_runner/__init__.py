"""Frameworks behind one small interface."""
