"""How the work of a round's sites is done, here or elsewhere."""
