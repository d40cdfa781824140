"""Opens the host of a run's strategy: built in, in this process, or isolated."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from challenge.config import Task1Config
from tasks.task1_aggregation.host import LocalHost, StrategyHost
from tasks.task1_aggregation.strategy import Strategy

MIB = 2**20


@dataclass(frozen=True)
class OpenedStrategy:
    """A strategy, ready to be called.

    Attributes:
        host: What the experiment calls.
        name: Of the submission, for tables.
        kind: In which form it was written.
        isolation: The level in force.
        resumes_from_state: Whether all that it remembers is in ``context.state``.
        settings: What a FeTS script asked for.
        notes: What was ignored or took its default.
        scratch: The folder it works in; gone when it is closed.
    """

    host: StrategyHost
    name: str
    kind: str
    isolation: str
    resumes_from_state: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scratch: Path | None = None

    def close(self) -> None:
        """End it and remove its scratch folder; safe to call twice."""
        self.host.close()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)


def open_strategy(config: Task1Config, log: Path) -> OpenedStrategy:
    """Load the configuration's submission.

    Args:
        config: Names the submission, its limits and the isolation.
        log: Where what it prints goes.

    Raises:
        StrategyError: It cannot be loaded.
        InputError: There is no such submission.
    """
    if config.submission is None:
        return OpenedStrategy(LocalHost(Strategy()), "fedavg", "built-in", "not needed", True)
    name = submission_name(config.submission)
    if config.isolation == "none":
        from tasks.task1_aggregation.submission import load

        loaded = load(config.submission)
        host = LocalHost(loaded.strategy, submitted=True)
        return OpenedStrategy(
            host, name, loaded.kind, "none", loaded.resumes_from_state, loaded.settings, loaded.notes
        )
    from challenge.isolation.host import ProcessHost
    from challenge.isolation.limits import Limits

    limits = Limits(
        load_s=config.limits.load_s,
        select_s=config.limits.select_s,
        configure_s=config.limits.configure_s,
        aggregate_s=config.limits.aggregate_s,
        log_bytes=int(config.limits.log_mib * MIB),
        memory_bytes=None if config.limits.memory_mib is None else config.limits.memory_mib * MIB,
    )
    scratch = Path(tempfile.mkdtemp(prefix="strategy-"))
    try:
        isolated = ProcessHost(config.submission, seed=config.seed, scratch=scratch, log=log, limits=limits)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return OpenedStrategy(
        isolated,
        name,
        isolated.loaded.kind,
        "L0",
        isolated.loaded.resumes_from_state,
        isolated.loaded.settings,
        isolated.loaded.notes,
        scratch,
    )


def submission_name(path: Path | None) -> str:
    """Return the name under which a submission stands in tables.

    Example:
        >>> submission_name(Path("teams/blue/median.py")), submission_name(None)
        ('median', 'fedavg')
    """
    return "fedavg" if path is None else (path.stem or path.resolve().name)
