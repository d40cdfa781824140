"""What both tasks share: regions, network, training and inference, metrics."""
