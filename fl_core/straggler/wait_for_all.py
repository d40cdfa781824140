"""The policy without patience's end: every site reports, fails or is lost."""

from __future__ import annotations

from collections.abc import Set

from fl_core.straggler.base import Verdict, Wait


class WaitForAll:
    """Waits for every site.

    Example:
        >>> WaitForAll().verdict({"a"}, {"b"}, 0.0, 0.0, 1e9)
        Wait(until_s=None)
    """

    def verdict(
        self,
        pending: Set[str],
        finished: Set[str],
        opened_s: float,
        first_started_s: float | None,
        now_s: float,
    ) -> Verdict:
        """Wait, however long it takes."""
        return Wait()
