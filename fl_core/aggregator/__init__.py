"""The aggregator: pure rules over events, in a thin shell."""
