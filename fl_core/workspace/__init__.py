"""A workspace: the folder in which one party of a federation keeps plan, code, models and certificates."""
