"""Aggregator and collaborators over mutual TLS: the protocol, both its ends, and what lies between them."""
