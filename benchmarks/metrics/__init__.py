"""Metrics of a case beside those of the libraries that others use."""
