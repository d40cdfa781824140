"""What a run is given by the process around it: a terminal, a disk, a clock, an engine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from challenge.config import Task1Config
from challenge.task1.engine import Engine, open_engine
from challenge.task1.executors import Room
from challenge.task1.inputs import Inputs
from challenge.task1.terminal import Terminal
from fl_core.durable import Disk


@dataclass(frozen=True)
class Surroundings:
    """What a run is given by the process around it.

    Attributes:
        terminal: Shows how it goes.
        environment: Variables; ``CHALLENGE_HOME`` moves keys and caches.
        disk: Writes whatever a resume depends on.
        now: Wall-clock seconds since the epoch.
        engine: Opens what does the sites' work.
    """

    terminal: Terminal
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    disk: Disk = field(default_factory=Disk)
    now: Callable[[], float] = time.time
    engine: Callable[[Task1Config, Inputs, Room], AbstractContextManager[Engine]] = open_engine
