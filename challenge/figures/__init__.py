"""The pictures of a run's folder, drawn from its tables."""
