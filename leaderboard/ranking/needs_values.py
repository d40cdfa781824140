"""Schemes that compute with values can only replace or refuse those that are missing."""

from __future__ import annotations

from leaderboard.errors import TableError
from leaderboard.ranking.base import Rules


def check_needs_values(scheme: str, rules: Rules) -> None:
    """Check that no missing value is left to be ranked last.

    Raises:
        TableError: It would be.
    """
    if rules.cases.missing == "last":
        raise TableError(
            f"{scheme} computes with values and cannot rank missing ones last; declare `penalty` or `refuse`"
        )
