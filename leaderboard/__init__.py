"""Tracking, ranking and pages."""
