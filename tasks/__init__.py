"""The two tasks of the challenge."""
