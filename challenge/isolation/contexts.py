"""Contexts on their way to a participant's process: only what it does not know yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tasks.task1_aggregation.context import RoundContext, RoundRecord, SiteInfo, SiteRecord


class Context(msgspec.Struct):
    """A `RoundContext` without its state; what the child already has is left out.

    `history` follows the first `known` records that the child was told before; `sites` is None when
    they have not changed.
    """

    round: int
    rounds: int
    horizon_s: float
    sites: tuple[SiteInfo, ...] | None
    known: int
    history: tuple[RoundRecord, ...]
    selected: tuple[str, ...]
    times: Mapping[str, float]
    reports: Mapping[str, SiteRecord]
    seed: int


class ContextSender:
    """Turns contexts into messages that leave out what was sent before."""

    def __init__(self) -> None:
        self._sites: tuple[SiteInfo, ...] | None = None
        self._history: tuple[RoundRecord, ...] = ()

    def message(self, context: RoundContext) -> Context:
        """Return the message for a context; call `arrived` once it has been answered."""
        known = 0
        for old, new in zip(self._history, context.history, strict=False):
            if old is not new:
                break
            known += 1
        sites = None if context.sites == self._sites else context.sites
        return Context(
            round=context.round,
            rounds=context.rounds,
            horizon_s=context.horizon_s,
            sites=sites,
            known=known,
            history=context.history[known:],
            selected=tuple(context.selected),
            times=context.times,
            reports=context.reports,
            seed=context.seed,
        )

    def arrived(self, context: RoundContext) -> None:
        """Note that the other side knows this context's sites and history."""
        self._sites, self._history = context.sites, context.history


class ContextReceiver:
    """Turns these messages into contexts again."""

    def __init__(self) -> None:
        self._sites: tuple[SiteInfo, ...] = ()
        self._history: tuple[RoundRecord, ...] = ()

    def context(self, message: Context, function: str, state: dict[str, Any]) -> RoundContext:
        """Return the context of a message, with the given state."""
        if message.sites is not None:
            self._sites = message.sites
        self._history = self._history[: message.known] + message.history
        return RoundContext(
            round=message.round,
            rounds=message.rounds,
            horizon_s=message.horizon_s,
            sites=self._sites,
            history=self._history,
            selected=message.selected,
            times=message.times,
            reports=message.reports,
            state=state,
            seed=message.seed,
            function=function,
        )
