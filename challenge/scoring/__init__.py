"""Scores a folder of predicted masks against a folder of references."""
