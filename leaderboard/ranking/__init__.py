"""Ranking schemes: each in a file of its own, all by name in `leaderboard.ranking.registry`."""
