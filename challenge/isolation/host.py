"""A strategy in a process of its own: calls with time limits, arrays by shared memory, named errors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from challenge.isolation.contexts import ContextSender
from challenge.isolation.environment import strategy_environment
from challenge.isolation.limits import MIB, Limits
from challenge.isolation.log import OutputLog
from challenge.isolation.protocol import (
    Aggregated,
    Call,
    Configured,
    Failed,
    Function,
    Load,
    Loaded,
    Plain,
    Restore,
    Restored,
    Selected,
    UpdateFacts,
    configs_of,
    prefixed,
    update_facts,
)
from challenge.isolation.state import state_from_bytes, state_to_bytes
from fl_core.ipc.frames import BadFrame, ChannelClosed, ChannelTimeout, FrameTooLarge
from fl_core.ipc.process import spawn
from fl_core.tensors import Array, Tensors
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig, Update

MAX_ANSWER: Final = 32 * MIB
"""Bytes that an answer may have beside its arrays."""


@dataclass(frozen=True)
class LoadedFacts:
    """What is known of a submission that runs elsewhere; see `LoadedSubmission`.

    Attributes:
        kind: In which form it was written.
        settings: What a FeTS script asked for; plain values.
        notes: What was ignored or took its default, and why.
        resumes_from_state: Whether ``context.state`` is all that it remembers.
    """

    kind: str
    settings: Mapping[str, Plain]
    notes: tuple[str, ...]
    resumes_from_state: bool


class ProcessHost:
    """Implements `StrategyHost` with a child process, which is started and loads the submission at once.

    Args:
        submission: A file or folder that `submission.load` takes.
        seed: The run's seed; the child's global generators are seeded from it.
        scratch: The child's working, home and temporary folder; made if it is not there.
        log: Where what it prints goes; what the file already holds stays.
        limits: What it may use.
        environment: From which the few variables are taken that the child gets; ``None`` for ours.

    Raises:
        StrategyError: With the function ``load``: the submission cannot be loaded.
        OSError: The process cannot be started.

    Example:
        >>> import tempfile
        >>> from tasks.task1_aggregation.context import SiteInfo
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "submission.py"
        ...     _ = path.write_text("def select_sites(context): return context.names[:1]")
        ...     host = ProcessHost(path, seed=0, scratch=Path(folder, "s"), log=Path(folder, "log"))
        ...     sites = (SiteInfo("1", 4, 2), SiteInfo("2", 4, 2))
        ...     names = host.select_sites(RoundContext(0, 1, 1e6, sites, function="select_sites"))
        ...     host.close()
        >>> names
        ['1']
    """

    def __init__(
        self,
        submission: Path,
        *,
        seed: int,
        scratch: Path,
        log: Path,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._number = 0
        self._contexts = ContextSender()
        self._state: Mapping[str, Any] = {}
        self._ended: str | None = None
        scratch = scratch.resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        self._child = spawn(
            "challenge.isolation.child",
            env=strategy_environment(os.environ if environment is None else environment, scratch),
            cwd=scratch,
            pipe_output=True,
            max_frame=MAX_ANSWER,
            max_tensor_bytes=self._limits.file_bytes,
        )
        assert self._child.output is not None
        self._log = OutputLog(self._child.output, log, self._limits.log_bytes)
        request = Load(str(submission.resolve()), seed, self._limits)
        try:
            loaded, _ = self._ask("load", request, [], Loaded, self._limits.load_s)
        except BaseException:
            self.close()
            raise
        settings = {_printable(name): _plain(value) for name, value in loaded.settings.items()}
        notes = tuple(_printable(note) for note in loaded.notes)
        self.loaded = LoadedFacts(_printable(loaded.kind), settings, notes, loaded.resumes_from_state)

    @property
    def pid(self) -> int:
        """The child's process number."""
        return self._child.pid

    def select_sites(self, context: RoundContext) -> list[str]:
        """Call the strategy's ``select_sites``."""
        answer, _ = self._call("select_sites", context, Selected, self._limits.select_s)
        return list(answer.names)

    def configure_round(self, context: RoundContext) -> RoundConfig | dict[str, RoundConfig]:
        """Call the strategy's ``configure_round``."""
        answer, broadcasts = self._call("configure_round", context, Configured, self._limits.configure_s)
        try:
            return configs_of(answer, broadcasts)
        except BadFrame as error:
            raise self._broken("configure_round", error) from error

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Call the strategy's ``aggregate``; the arrays returned are read-only."""
        sets = [model, prefixed(update.tensors for update in updates)]
        facts = update_facts(updates)
        _, tensors = self._call("aggregate", context, Aggregated, self._limits.aggregate_s, sets, facts)
        return tensors

    @property
    def state(self) -> Mapping[str, Any]:
        """The strategy's persistent state as of the last call: arrays and plain values."""
        return self._state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back a state taken from a checkpoint, before the first call.

        Raises:
            TensorError: It holds something else than arrays and plain values.
        """
        content, arrays = state_to_bytes(state)
        self._ask("restore", Restore(content), [arrays], Restored, self._limits.load_s)
        self._state = state_from_bytes(content, arrays)

    def close(self) -> None:
        """End the process and all of its group, and complete the log; safe to call twice."""
        self._child.kill()
        self._ended = self._ended or "it was closed"
        self._log.finish(timeout=2.0)

    def _call(
        self,
        function: Function,
        context: RoundContext,
        kind: Any,
        seconds: float,
        sets: Sequence[Tensors] = (),
        facts: tuple[UpdateFacts, ...] = (),
    ) -> tuple[Any, Tensors]:
        self._number += 1
        request = Call(self._number, function, self._contexts.message(context), facts)
        answer, (tensors, state_arrays) = self._ask(function, request, sets, kind, seconds)
        self._contexts.arrived(context)
        if answer.number != self._number:
            raise self._broken(function, BadFrame(f"it answers call {answer.number}, not {self._number}"))
        if answer.state is not None:
            try:
                self._state = state_from_bytes(answer.state, state_arrays)
            except BadFrame as error:
                raise self._broken(function, error) from error
        return answer, tensors

    def _ask(
        self, function: Function, request: Any, sets: Sequence[Tensors], kind: Any, seconds: float
    ) -> tuple[Any, list[dict[str, Array]]]:
        if self._ended is not None:
            raise StrategyError(function, f"cannot be called, as its process has ended: {self._ended}")
        try:
            # What we send wrongly ourselves is no fault of the strategy: such errors pass as they are.
            self._child.channel.send(request, sets, timeout=seconds)
            answer, received = self._receive(function, kind, seconds)
        except ChannelTimeout as error:
            self._child.kill()
            raise self._over(function, f"took longer than {seconds:g} s; its process was ended") from error
        except ChannelClosed as error:
            ending = self._child.wait_for_end(timeout=2.0)
            hint = "; often that means too little memory" if ending.endswith("SIGKILL") else ""
            raise self._over(function, f"ended its process ({ending}{hint})") from error
        if isinstance(answer, Failed):
            raise StrategyError(_printable(answer.function), _printable(answer.rule))
        return answer, received

    def _receive(self, function: Function, kind: Any, seconds: float) -> tuple[Any, list[dict[str, Array]]]:
        answer: Any
        try:
            answer, received = self._child.channel.receive(kind | Failed, timeout=seconds)
        except (BadFrame, FrameTooLarge) as error:
            raise self._broken(function, error) from error
        if len(received) != 2:
            raise self._broken(function, BadFrame(f"{len(received)} sets of arrays came instead of 2"))
        return answer, received

    def _broken(self, function: Function, error: Exception) -> StrategyError:
        self._child.kill()
        return self._over(function, f"its process sent something that is no answer: {_printable(str(error))}")

    def _over(self, function: Function, rule: str) -> StrategyError:
        self._ended = rule
        self._log.finish(timeout=2.0)
        return StrategyError(function, rule)


def _printable(text: str) -> str:
    """Return text from the child without line breaks and control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _plain(value: Plain) -> Plain:
    return _printable(value) if isinstance(value, str) else value
