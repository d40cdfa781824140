"""Where a participant's code runs, and what it may do there."""
