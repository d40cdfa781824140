"""The plan that all parties agree on before work begins."""
