"""What aggregation functions cost, in time beside a floor and in memory."""
