"""A model package in a process of its own: it gets images, gives labels back, and is ended at its limits."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from challenge.isolation.environment import strategy_environment
from challenge.isolation.limits import MIB
from challenge.isolation.log import OutputLog
from challenge.task2.package_limits import PackageLimits
from challenge.task2.package_protocol import Labelled, Open, Opened, Raised, Refused, facts_of
from fl_core.ipc.frames import BadFrame, ChannelClosed, ChannelTimeout, FrameTooLarge
from fl_core.ipc.process import ChildProcess, spawn
from fl_core.tensors import Array
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.evaluate import Failed, FaultStatus, Predicted, out_of_time
from tasks.task2_evaluation.failure import Failure, Phase, filtered, lines_of
from tasks.task2_evaluation.package import Package, read_package

MAX_ANSWER: Final = MIB
_WIDEST: Final = 8
_REASONS: Final[Mapping[str, str]] = {
    "missing": "the package gave no prediction for the case",
    "unreadable": "the mask that the package wrote cannot be read",
    "geometry": "the prediction lies on another grid than the case",
    "labels": "the prediction holds something else than labels",
}


class PackageHost:
    """Implements `ModelProcess` with a child process, started when the first case comes.

    After a case that ended it, it is started anew for the next one, in a new scratch folder. A package
    that cannot be loaded, or that has changed its own files, is not tried again.

    Args:
        package: The package; its folder must stay as it is.
        scratch: A folder for the process's working folders; made if it is not there.
        log: Where what it prints goes; what the file already holds stays.
        limits: What it may use.
        seed: The process's global generators are seeded from it for every case.
        environment: From which the few variables are taken that the child gets; ``None`` for ours.
        now: A clock in seconds that does not jump.
    """

    def __init__(
        self,
        package: Package,
        *,
        scratch: Path,
        log: Path,
        limits: PackageLimits | None = None,
        seed: int = 0,
        environment: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._package = package
        self._scratch = scratch.resolve()
        self._log_path = log
        self._limits = limits or PackageLimits()
        self._seed = seed
        self._environment = dict(os.environ if environment is None else environment)
        self._now = now
        self._lines = lines_of(package.folder, [file.name for file in package.files])
        self._child: ChildProcess | None = None
        self._log: OutputLog | None = None
        self._starts = 0
        self._number = 0
        self._unusable: Failed | None = None
        self._has_seen_a_case = False

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        return None if self._child is None else self._child.pid

    def open(self, left_s: float | None = None) -> Failed | None:
        """Start the process and load the model, if it is not running.

        Args:
            left_s: Seconds that are left in all.

        Returns:
            Why it cannot be used; None if it can.
        """
        if self._child is not None or self._unusable is not None:
            return self._unusable
        left = self._limits.total_s if left_s is None else left_s
        seconds = min(self._limits.load_s, left)
        if self._starts and not self._is_unchanged():
            self._unusable = Failed("crashed", "the package changed its own files", Failure("load"))
            return self._unusable
        self._start()
        request = Open(
            str(self._package.folder.resolve()), str(self._folder), self._limits.of_process(), self._seed
        )
        answer, _ = self._ask("load", request, [], Opened, seconds, seconds < self._limits.load_s)
        if isinstance(answer, Opened):
            return None
        if isinstance(answer, Failed):
            failed = answer
        else:
            # Words only of a package that has seen no case: they could carry what it saw.
            words = "" if self._has_seen_a_case else _printable(answer.rule)
            failure = filtered("load", answer.exception, answer.frames, self._lines)
            failed = Failed("crashed", f"the model cannot be loaded: {words or failure.exception}", failure)
        self._end()
        if failed.status != "timeout" or seconds >= self._limits.load_s:
            self._unusable = failed
        return failed

    def predict(self, case: CaseInput, left_s: float) -> Predicted | Failed:
        """Predict a case, starting the process if need be.

        Args:
            case: What the model is shown.
            left_s: Seconds that are left in all, loading included.
        """
        began = self._now()
        failed = self.open(left_s)
        if failed is not None:
            return failed
        left = max(0.001, left_s - (self._now() - began))
        seconds = min(self._limits.case_s, left)
        self._number += 1
        self._has_seen_a_case = True
        assert self._child is not None
        voxels = next(iter(case.images.values())).size
        self._child.channel.max_tensor_bytes = _WIDEST * voxels
        request = facts_of(case, self._number)
        images: dict[str, Array] = {name: image for name, image in case.images.items()}
        answer, arrays = self._ask(
            "predict", request, [images], Labelled | Refused, seconds, seconds < self._limits.case_s
        )
        if isinstance(answer, Failed):
            return answer
        if answer.number != self._number:
            return self._over("crashed", "its process answered another case", "predict")
        if isinstance(answer, Refused):
            return Failed(answer.status, _REASONS[answer.status], Failure("answer"))
        if isinstance(answer, Raised):
            failure = filtered("predict", answer.exception, answer.frames, self._lines)
            return Failed("crashed", _raised(failure), failure)
        if set(arrays) != {"labels"}:
            return self._over("crashed", "its process sent something that is no answer", "predict")
        return Predicted(arrays["labels"])

    def close(self) -> None:
        """End the process with all of its group and remove its scratch folder; safe to call twice."""
        self._end()

    def _is_unchanged(self) -> bool:
        """Say whether a new process would run what was digested; the last one could write there."""
        try:
            return read_package(self._package.folder).digest == self._package.digest
        except PackageError:
            return False

    def _start(self) -> None:
        self._starts += 1
        self._folder = self._scratch / f"process-{self._starts}"
        self._folder.mkdir(parents=True)
        self._child = spawn(
            "challenge.task2.package_child",
            env=strategy_environment(self._environment, self._folder),
            cwd=self._folder,
            pipe_output=True,
            max_frame=MAX_ANSWER,
            max_tensor_bytes=0,
        )
        assert self._child.output is not None
        self._log = OutputLog(self._child.output, self._log_path, self._limits.log_bytes)

    def _ask(
        self, phase: Phase, request: Any, sets: list[dict[str, Array]], kind: Any, seconds: float, last: bool
    ) -> tuple[Any, dict[str, Array]]:
        """Send a request and return the answer, or how the process failed to give one."""
        assert self._child is not None
        deadline = self._now() + seconds
        try:
            self._child.channel.send(request, sets, timeout=seconds)
            left = max(0.001, deadline - self._now())
            answer, received = self._child.channel.receive(kind | Raised, timeout=left)
        except ChannelTimeout:
            reason = out_of_time(self._limits.total_s) if last else f"took longer than {seconds:g} s"
            return self._over("timeout", f"{reason} ({phase}); its process was ended", phase), {}
        except ChannelClosed:
            ending = self._child.wait_for_end(timeout=2.0)
            # An exit code is the package's own word; a signal is the system's.
            shown = ending if ending.startswith("signal") else "by itself"
            hint = "; often that means too little memory" if ending.endswith("SIGKILL") else ""
            return self._over("crashed", f"its process ended ({phase}, {shown}{hint})", phase), {}
        except (BadFrame, FrameTooLarge):
            return self._over("crashed", "its process sent something that is no answer", phase), {}
        return answer, received[0] if received else {}

    def _over(self, status: FaultStatus, reason: str, phase: Phase) -> Failed:
        self._end()
        return Failed(status, reason, Failure(phase))

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._log is not None:
            self._log.finish(timeout=2.0)
            self._log = None


def _raised(failure: Failure) -> str:
    place = f" ({failure.frames[-1].file} line {failure.frames[-1].line})" if failure.frames else ""
    return f"the package raised {failure.exception}{place}"


def _printable(text: str) -> str:
    """Return text from the child without line breaks and control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
