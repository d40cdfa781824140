"""A run's folder: who may use it, and what is where in it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.config import ConfigError
from fl_core.errors import InputError
from partitions.errors import DataError


@dataclass(frozen=True)
class RunFolder:
    """Paths in a run's folder."""

    root: Path

    @property
    def config(self) -> Path:
        """Everything resolved."""
        return self.root / "config.yaml"

    @property
    def partition(self) -> Path:
        """The split, every choice written out."""
        return self.root / "partition.csv"

    @property
    def checkpoint(self) -> Path:
        """What a resume needs."""
        return self.root / "checkpoint"

    @property
    def record(self) -> Path:
        """Written last."""
        return self.root / "record.json"

    @property
    def log(self) -> Path:
        """What happened, one JSON object a line."""
        return self.root / "log.jsonl"

    @property
    def strategy_log(self) -> Path:
        """What the submission printed."""
        return self.root / "strategy.log"

    def claim(self) -> None:
        """Make the folder for a new run.

        What a process leaves that died before its configuration was written counts as empty.

        Raises:
            ConfigError: It exists and is not empty.
        """
        if self.root.exists() and not (self.root.is_dir() and self._is_unused()):
            hint = f", or go on with --resume {self.root}" if self.config.is_file() else ""
            raise ConfigError(f"--out {self.root}: is not empty; name a new or empty folder{hint}")
        try:
            self.checkpoint.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--out {self.root}: cannot be made ({error.strerror})") from error

    def _is_unused(self) -> bool:
        unborn = {self.checkpoint.name, self.strategy_log.name, f".{self.config.name}.tmp"}
        begun = self.checkpoint.is_dir() and any(self.checkpoint.iterdir())
        return not begun and all(path.name in unborn for path in self.root.iterdir())

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Empty the folder again when an input turns out to be wrong before the first checkpoint.

        Then the same ``--out`` takes the corrected call, and nothing suggests that there is a run.
        """
        try:
            yield
        except (InputError, DataError):
            if not any(self.checkpoint.iterdir()):
                for path in (self.config, self.partition, self.log, self.strategy_log):
                    path.unlink(missing_ok=True)
                self.checkpoint.rmdir()
                with suppress(OSError):  # it holds something of others, or is where a disk is mounted
                    self.root.rmdir()
            raise

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the run.

        Raises:
            ConfigError: Another process is at it.
        """
        handle = os.open(self.root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(
                    f"{self.root}: another process is running it; wait for it or end it"
                ) from error
            yield
        finally:
            os.close(handle)


class EventLog:
    """Appends events to ``log.jsonl``; a line is written at once and never changed.

    Args:
        path: The file.
        now: Wall-clock seconds since the epoch.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now

    def write(self, event: str, **facts: Any) -> None:
        """Append an event with its facts (plain values)."""
        line = json.dumps({"time": round(self._now(), 3), "event": event, **facts}, sort_keys=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
