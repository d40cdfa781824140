"""The child's side of a spawned process: find the channel, and die with the parent."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fl_core.ipc.frames import Channel, ChannelClosed

_PR_SET_PDEATHSIG: Final = 1


def attach(arguments: Sequence[str]) -> Channel:
    """Return the channel that `spawn` announced, and arrange that this process dies with its parent.

    Args:
        arguments: What the parent passed: ``channel``, ``parent``, ``from-main-thread`` as numbers,
            then the module's own arguments.

    Raises:
        SystemExit: The parent is already gone.
    """
    number, parent, from_main_thread = (int(text) for text in arguments[:3])
    # The signal comes when the *thread* that spawned us ends, so only a main thread's death means anything.
    if from_main_thread and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the parent process has ended")
    return Channel(socket.socket(fileno=number))


def serve_parent(serve: Callable[[Channel], None]) -> None:
    """Serve the process that spawned this one until it is done with us: what a child's ``main`` does.

    Args:
        serve: Answers on the channel; it ends by the `ChannelClosed` that comes when the parent is done.
    """
    channel = attach(sys.argv[1:])
    watch_parent(channel)
    with suppress(ChannelClosed):
        serve(channel)


def watch_parent(channel: Channel) -> None:
    """Kill this process and its group when the other end of the channel closes, even during work.

    A thread of its own, so it must be started after whatever needs a process without threads.
    """
    threading.Thread(target=_wait_for_end, args=(channel.fileno(),), name="watch-parent", daemon=True).start()


def _wait_for_end(number: int) -> None:
    poller = select.poll()
    # No POLLIN: messages are for the main thread. POLLRDHUP exists on Linux; elsewhere POLLHUP comes unasked.
    poller.register(number, getattr(select, "POLLRDHUP", select.POLLHUP))
    while True:
        for _, events in poller.poll():
            if events & select.POLLNVAL:
                return  # this side has closed its own end: the process is about to finish
            if os.getpgrp() == os.getpid():
                os.killpg(os.getpid(), signal.SIGKILL)
            os._exit(1)
