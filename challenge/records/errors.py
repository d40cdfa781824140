"""Errors of records and keys: each message says what, where and how to mend it."""

from __future__ import annotations

from fl_core.errors import InputError


class RecordError(InputError):
    """A run folder or record that cannot be written or read."""


class SigningKeyError(InputError):
    """A key that is missing, unreadable, not Ed25519, or open to other users."""


class ComparisonError(InputError):
    """Two runs that cannot be compared."""
