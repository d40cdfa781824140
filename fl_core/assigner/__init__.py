"""Who does which tasks in a round."""
