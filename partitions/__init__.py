"""Cases, institutions, splits, the phantom data set and readers of real data."""
