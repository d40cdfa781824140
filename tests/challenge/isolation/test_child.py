from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from isolated_round import Start, context, select

from challenge.isolation.limits import Limits
from tasks.task1_aggregation.errors import StrategyError


def test_global_generators_are_seeded_from_the_run_and_are_its_own(start: Start) -> None:
    code = """
        import random
        import numpy as np
        def select_sites(context):
            context.state["drawn"] = [random.random(), float(np.random.rand()), hash("text")]
            context.state["set"] = list({"some", "words", "in", "a", "set"})
            return []
    """
    np.random.seed(0)  # noqa: NPY002
    mine = np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    drawn = []
    for seed in (5, 5, 6):
        host = start(code, seed=seed)
        select(host)
        drawn.append(host.state)
    assert drawn[0] == drawn[1] and drawn[0]["drawn"][:2] != drawn[2]["drawn"][:2]
    assert (np.random.get_state()[1] == mine).all()  # type: ignore[index] # noqa: NPY002


def test_it_has_a_small_environment_a_scratch_folder_and_none_of_our_descriptors(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "relative:" + os.environ.get("PYTHONPATH", ""))
    host = start(
        """
        import os, resource, sys, tempfile
        def select_sites(context):
            context.state["env"] = dict(os.environ)
            context.state["cwd"] = os.getcwd()
            context.state["temp"] = tempfile.gettempdir()
            context.state["argv"] = sys.argv[1:]
            context.state["path"] = sys.path
            context.state["core"] = resource.getrlimit(resource.RLIMIT_CORE)
            context.state["files"] = resource.getrlimit(resource.RLIMIT_NOFILE)
            with open("note.txt", "w") as file: file.write("kept")
            return []
        """,
        limits=Limits(open_files=99),
    )
    select(host)
    state, scratch = host.state, str(tmp_path / "scratch")
    assert (
        "secret" not in str(state["env"]) and state["env"]["HOME"] == scratch == state["cwd"] == state["temp"]
    )
    assert state["env"]["OMP_NUM_THREADS"] == "1" and state["argv"] == []
    assert not {"", ".", "relative", scratch} & set(state["path"])
    assert state["core"] == [0, 0] and state["files"] == [99, 99]
    assert Path(scratch, "note.txt").read_text() == "kept"


def test_limits_on_files_and_memory_hold(start: Start) -> None:
    host = start(
        """
        import numpy as np
        def select_sites(context):
            with open("big", "wb") as file: file.write(b"x" * 2_000_000)
        def configure_round(context):
            return {"w": np.ones(10**9)}
        """,
        limits=Limits(file_bytes=1_000_000, memory_bytes=4 << 30),
    )
    with pytest.raises(StrategyError, match="File too large"):
        select(host)
    with pytest.raises(StrategyError, match=r"raised .*MemoryError"):
        host.configure_round(context("configure_round"))


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ("os.write(channel, b'rubbish' * 100)", "no answer: .*no frame"),
        ("os.write(channel, b'FLc1' + b'\\xff' * 12)", "no answer: a frame of"),
        ("os.close(channel)", r"ended its process"),
        ("other.send(Selected(99, ('1',), None), [{}, {}])", "answers call 99, not 1"),
        ("other.send(Selected(1, ('1',), None), [])", "0 sets of arrays came"),
        ("other.send(Selected(1, ('1',), b'[1]'), [{}, {}])", "a state that is no mapping"),
        ("other.send(Selected(1, ('1',), b'[' * 99999), [{}, {}])", "a state that cannot be read"),
        ('other.send(Selected(1, (\'1\',), b\'{"a":{"$array":"0"}}\'), [{}, {}])', "is missing"),
        ("other.send(Selected(1, ('1',) * 20000, None), [{}, {}])", "no answer: .*length <= 10000"),
        ("other.send(Aggregated(1, None), [{}, {}])", "no answer: .*Aggregated"),
        ("other.send(Loaded('class', {}, (), True), [{}, {}])", "no answer: .*Loaded"),
    ],
)
def test_a_child_that_breaks_the_protocol_is_refused(start: Start, attack: str, message: str) -> None:
    host = start(
        f"""
        import os, socket, time
        from fl_core.ipc.frames import Channel
        from challenge.isolation.protocol import Aggregated, Loaded, Selected
        def select_sites(context):
            channel = next(
                int(n) for n in os.listdir("/proc/self/fd")
                if int(n) > 2 and os.path.exists("/proc/self/fd/" + n)
                and os.readlink("/proc/self/fd/" + n).startswith("socket")
            )
            other = Channel(socket.socket(fileno=os.dup(channel)))
            {attack}
            return []
        """,
        limits=Limits(select_s=3.0),
    )
    with pytest.raises(StrategyError, match=message):
        select(host)
        _ = host.state
