"""A child process with a channel to it: a module run by this interpreter, in a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from fl_core.ipc.frames import MAX_FRAME, Channel

_STDERR: Final = 2


class ChildProcess:
    """A running child; `kill` ends it with everything it has started in its group."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self._process = process
        self.channel = channel

    @property
    def pid(self) -> int:
        """The process's number, which is also its group's."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes] | None:
        """The reading end of its standard output and error, when they were asked for as a pipe."""
        return self._process.stdout

    def kill(self) -> str:
        """End the child and its group at once, and say how it ended; safe to call twice.

        Returns:
            ``exit code 3``, or ``signal SIGKILL``: how the process ended, by itself if it had
            ended before.
        """
        if self._process.returncode is None:
            # It is still unreaped, alive or not, so its number cannot belong to anyone else yet.
            with contextlib.suppress(ProcessLookupError, PermissionError):  # no group; macOS: all zombies
                os.killpg(self.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        self.channel.close()
        return self._ending()

    def wait_for_end(self, timeout: float) -> str:
        """Give a child that has closed its channel a moment to end by itself, then kill what is left.

        Returns:
            As `kill`.
        """
        if self._process.returncode is None and hasattr(os, "waitid"):
            ended = threading.Event()
            pause, waited = 0.001, 0.0
            while (
                waited < timeout
                and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
            ):
                ended.wait(pause)
                waited, pause = waited + pause, min(0.05, pause * 2)
        return self.kill()

    def _ending(self) -> str:
        code = self._process.returncode
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"


def spawn(
    module: str,
    arguments: Sequence[str] = (),
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    pipe_output: bool = False,
    max_frame: int = MAX_FRAME,
    max_tensor_bytes: int | None = None,
) -> ChildProcess:
    """Start ``python -P -m module`` with a channel; the module calls `fl_core.ipc.child.attach`.

    ``-P`` keeps the working folder off the import path. The child has no standard input, a session
    of its own (a Ctrl-C in the terminal reaches only the parent), and of our descriptors only the
    channel's.

    Args:
        module: Dotted name of a module with an ``if __name__ == "__main__"``.
        arguments: Its own arguments, after the three that `attach` reads.
        env: The child's whole environment.
        cwd: Its working folder; ``None`` for ours.
        pipe_output: Give it a pipe for standard output and error, to be read from ``output``;
            otherwise both go to our standard error.
        max_frame: As in `Channel`, for what the child sends.
        max_tensor_bytes: As in `Channel`, for what the child sends.

    Raises:
        OSError: The process cannot be started.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    from_main_thread = threading.current_thread() is threading.main_thread()
    announced = [str(theirs.fileno()), str(os.getpid()), str(int(from_main_thread))]
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *announced, *arguments],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe_output else _STDERR,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return ChildProcess(process, Channel(ours, max_frame=max_frame, max_tensor_bytes=max_tensor_bytes))
