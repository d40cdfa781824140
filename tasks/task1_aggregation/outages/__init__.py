"""Simulated network outages."""
