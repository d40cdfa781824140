"""Runs model packages: the process side of Task 2."""
