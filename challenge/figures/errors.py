"""Errors of figures: each message says what and where."""

from __future__ import annotations

from fl_core.errors import InputError


class FigureError(InputError):
    """A table that cannot be drawn."""
