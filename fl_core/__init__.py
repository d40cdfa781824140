"""The federated-learning engine; it knows nothing of challenges, images or leaderboards."""
