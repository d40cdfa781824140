"""Submissions written for the FeTS challenges of 2021 and 2022."""
