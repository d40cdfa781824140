"""`challenge run task1`: from a configuration to a scored, signed run folder."""
