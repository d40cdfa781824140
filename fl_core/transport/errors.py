"""How a site's side of the connection can end."""

from __future__ import annotations

from fl_core.errors import FederationError, InputError


class Refused(InputError):
    """The aggregator's last word: asking again would not help. The message says what would."""


class GaveUp(FederationError):
    """The aggregator could not be reached for longer than the site was told to try."""


class ConnectionClosed(FederationError):
    """The site itself closed the connection."""
