"""Straggler policies: how long a round waits for sites that are slow."""
