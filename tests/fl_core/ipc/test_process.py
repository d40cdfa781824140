from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fl_core.ipc.frames import ChannelClosed, ChannelTimeout
from fl_core.ipc.process import ChildProcess, spawn

CHILD = """
import os, subprocess, sys, time
from typing import Any
from fl_core.ipc.child import attach, watch_parent
channel = attach(sys.argv[1:])
watch_parent(channel)
print("hello from", sys.argv[4], flush=True)
while True:
    request, sets = channel.receive(dict[str, Any])
    if "exit" in request:
        os._exit(request["exit"])
    if "abort" in request:
        os.abort()
    if "grandchild" in request:
        process = subprocess.Popen(["sleep", "60"])
        channel.send({"pid": process.pid})
    if "sleep" in request:
        time.sleep(60)
    if "look" in request:
        channel.send({
            "path": sys.path, "cwd": os.getcwd(), "fds": os.listdir("/proc/self/fd"), "group": os.getpgrp(),
            "session": os.getsid(0), "env": dict(os.environ), "stdin": sys.stdin.read(),
        })
    if "add" in request:
        channel.send({}, [{name: array + 1 for name, array in sets[0].items()}])
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "child_of_test.py").write_text(CHILD)
    return folder


def start(module: Path, **options: object) -> ChildProcess:
    env = {"PYTHONPATH": str(module), "PATH": os.environ["PATH"]}
    return spawn("child_of_test", ["argument"], env=env, **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_arrays_go_there_and_back(module: Path) -> None:
    child = start(module)
    child.channel.send({"add": 1}, [{"w": np.arange(3, dtype=np.float16)}])
    _, [tensors] = child.channel.receive(dict, timeout=10)
    assert tensors["w"].tolist() == [1, 2, 3] and tensors["w"].dtype == np.float16
    assert child.kill() == "signal SIGKILL"
    assert child.kill() == "signal SIGKILL"


def test_a_child_sees_its_own_environment_session_and_folder_and_no_stranger(
    module: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "msgspec.py").write_text("raise SystemExit('a module of the working folder was imported')\n")
    child = start(module, cwd=work)
    child.channel.send({"look": 1})
    seen, _ = child.channel.receive(dict, timeout=10)
    child.kill()
    assert seen["cwd"] == str(work) and str(work) not in seen["path"] and "" not in seen["path"]
    assert seen["group"] == seen["session"] == child.pid
    assert seen["stdin"] == "" and set(seen["env"]) <= {"PYTHONPATH", "PATH", "LC_CTYPE"}
    assert len(seen["fds"]) == 5  # three standard ones, the channel, and the listing itself


def test_kill_ends_the_whole_group(module: Path) -> None:
    child = start(module)
    child.channel.send({"grandchild": 1})
    answer, _ = child.channel.receive(dict[str, int], timeout=10)
    assert alive(answer["pid"])
    child.kill()
    assert gone(answer["pid"])


@pytest.mark.parametrize(
    ("request_", "ending"), [({"exit": 3}, "exit code 3"), ({"abort": 1}, "signal SIGABRT")]
)
def test_how_a_child_ended_is_told(module: Path, request_: dict[str, int], ending: str) -> None:
    child = start(module)
    child.channel.send(request_)
    with pytest.raises(ChannelClosed):
        child.channel.receive(dict, timeout=10)
    assert child.wait_for_end(timeout=5) == ending


def test_output_can_be_read_from_a_pipe(module: Path) -> None:
    child = start(module, pipe_output=True)
    assert child.output is not None
    assert child.output.readline() == b"hello from argument\n"
    child.kill()
    assert child.output.read() == b""


def test_a_child_that_is_busy_dies_when_the_channel_closes(module: Path) -> None:
    child = start(module)
    child.channel.send({"sleep": 1})
    with pytest.raises(ChannelTimeout):
        child.channel.receive(dict, timeout=0.3)
    assert alive(child.pid)
    child.channel.close()
    assert gone(child.pid)
    assert child.kill() == "signal SIGKILL"


def test_a_child_survives_the_thread_that_started_it(module: Path) -> None:
    started: list[ChildProcess] = []
    thread = threading.Thread(target=lambda: started.append(start(module)))
    thread.start()
    thread.join()
    child = started[0]
    child.channel.send({"add": 1}, [{"w": np.zeros(1)}])
    _, [tensors] = child.channel.receive(dict, timeout=10)
    assert tensors["w"].tolist() == [1.0]
    child.kill()


def test_a_module_that_cannot_be_found_closes_the_channel() -> None:
    child = spawn("no_such_module_anywhere", env={"PATH": os.environ["PATH"]}, pipe_output=True)
    with pytest.raises(ChannelClosed):
        child.channel.receive(msgspec.Raw, timeout=10)
    assert child.wait_for_end(timeout=5) == "exit code 1"
    assert child.output is not None and b"no_such_module_anywhere" in child.output.read()
