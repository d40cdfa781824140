"""Task 1: federated training under simulated time and outages."""
