"""Certificates of a federation: a two-level authority for pilots, requests, revocation, checks of peers."""
