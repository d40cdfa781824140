"""The life of a submission."""
