from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from isolated_round import MODEL, UPDATES, Start, aggregate, alive, context, record, select

from challenge.isolation.limits import Limits
from fl_core.ipc.shared import BadTensors
from tasks.task1_aggregation.context import RoundRecord
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.host import LocalHost
from tasks.task1_aggregation.strategy import RoundConfig
from tasks.task1_aggregation.submission import load

COMPLETE = """
    import numpy as np
    from tasks.task1_aggregation.strategy import RoundConfig, Strategy

    class Mine(Strategy):
        def select_sites(self, context):
            context.state["rounds"] = [r.round for r in context.history]
            names = [n for n in context.names if all(r.sites[n].time_s < 32 for r in context.history)]
            return np.array(names) if context.round % 2 else names

        def configure_round(self, context):
            if context.round == 0:
                return RoundConfig(learning_rate=np.float32(0.5), epochs=2)
            shared = RoundConfig(batches=np.int64(7), broadcast={"c": np.full(2, float(context.round))})
            return {"1": shared, "2": RoundConfig(proximal_mu=0.1, local_names=("w",)), "3": shared}

        def aggregate(self, context, model, updates):
            momentum = context.state.setdefault("momentum", np.zeros((2, 3), np.float32))
            momentum += updates[0].tensors["w"] * updates[0].weight + context.rng.random(dtype=np.float32)
            context.state["seen"] = {u.site: (u.n_train, u.staleness, u.metrics["loss"]) for u in updates}
            context.state["times"] = [context.times[n] for n in context.names]
            context.state["dice"] = context.reports["3"].metrics["dice"]
            return {**super().aggregate(context, model, updates), "w": model["w"] + momentum}
"""


def test_it_answers_like_the_same_strategy_in_this_process(start: Start, tmp_path: Path) -> None:
    host = start(COMPLETE)
    local = LocalHost(load(tmp_path / "submission.py").strategy)
    history: tuple[RoundRecord, ...] = ()
    for number in range(3):
        assert select(host, number, history) == [str(n) for n in select(local, number, history)]
        answers: list[Any] = [
            h.configure_round(context("configure_round", number, history)) for h in (host, local)
        ]
        if number == 0:
            assert answers[0] == RoundConfig(learning_rate=0.5, epochs=2) == answers[1]
        else:
            assert answers[0]["1"] is answers[0]["3"] and answers[0]["1"].batches == 7
            assert answers[0]["1"].broadcast["c"].tolist() == [number, number]
            assert answers[0]["2"] == RoundConfig(proximal_mu=0.1, local_names=("w",))
        there, here = aggregate(host, number), aggregate(local, number)
        assert {k: (v.dtype, v.tobytes()) for k, v in there.items()} == {
            k: (v.dtype, v.tobytes()) for k, v in here.items()
        }
        history = (*history, record(number))
    assert select(host, 3, history) == ["1", "2"]
    state = dict(host.state)
    np.testing.assert_array_equal(state.pop("momentum"), local.state["momentum"])
    assert state == {
        "rounds": [0, 1, 2],
        "seen": {"1": [4, 0, 0.5], "2": [6, 1, 0.25]},
        "times": [12.0, 22.0, 32.0],
        "dice": 0.5,
    }


def test_a_state_that_is_restored_goes_on_with_the_same_bytes(start: Start) -> None:
    undisturbed, first = start(COMPLETE), start(COMPLETE)
    aggregate(first, 0)
    saved = first.state
    first.close()
    resumed = start(COMPLETE)
    resumed.restore(saved)
    assert resumed.state["seen"] == saved["seen"] == {"1": [4, 0, 0.5], "2": [6, 1, 0.25]}
    aggregate(undisturbed, 0)
    assert aggregate(resumed, 1)["w"].tobytes() == aggregate(undisturbed, 1)["w"].tobytes()
    assert resumed.state["momentum"].tobytes() == undisturbed.state["momentum"].tobytes()
    assert resumed.state["momentum"].tobytes() != saved["momentum"].tobytes()


def test_what_it_can_say_of_itself_reaches_the_harness(start: Start) -> None:
    host = start("def select_sites(context): return context.names")
    assert host.loaded.kind == "functions" and host.loaded.resumes_from_state is False
    script = start(
        """
        from fets_challenge import run_challenge_experiment
        def pick(collaborators, db_iterator, fl_round, chosen, times): return collaborators[:1]
        run_challenge_experiment(choose_training_collaborators=pick, rounds_to_train=7, device="cuda")
        print("never reached"); exit(1)
        """
    )
    assert script.loaded.kind == "fets-script" and script.loaded.settings["rounds_to_train"] == 7
    assert any("device" in note for note in script.loaded.notes)
    assert select(script) == ["1"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time\ndef select_sites(context):\n    while True: pass\n", "took longer than 0.5 s"),
        # A loop in C that never gives the interpreter back.
        ("def select_sites(context):\n    return sum(range(10**15))\n", "took longer than 0.5 s"),
        (
            "import signal, time\ndef select_sites(context):\n"
            "    [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; time.sleep(60)\n",
            "took longer than 0.5 s",
        ),
    ],
)
def test_a_function_without_end_is_ended(start: Start, code: str, message: str) -> None:
    host = start(code, limits=Limits(select_s=0.5))
    begin = time.monotonic()
    with pytest.raises(StrategyError, match=message):
        select(host)
    assert time.monotonic() - begin < 3
    assert not alive(host.pid)
    with pytest.raises(StrategyError, match="cannot be called, as its process has ended: took longer"):
        aggregate(host)


def test_loading_without_end_or_with_an_error_is_named(start: Start, log: Path) -> None:
    with pytest.raises(StrategyError, match=r"load: took longer than 1 s"):
        start("while True: pass", limits=Limits(load_s=1.0))
    with pytest.raises(StrategyError, match=r"load: imports no_such_package"):
        start("import no_such_package")
    with pytest.raises(StrategyError, match=r"load: .*NameError"):
        start("print('before'); undefined")
    assert "before" in log.read_text()


def test_what_the_harness_sends_wrongly_is_not_blamed_on_the_strategy(start: Start) -> None:
    host = start("def select_sites(context): return context.names")
    update = replace(UPDATES[0], tensors={"w": np.array([object()])})
    with pytest.raises(BadTensors):
        host.aggregate(context("aggregate"), MODEL, [update])
    assert select(host) == ["1", "2", "3"]


def test_closing_ends_the_process_and_what_it_started(start: Start) -> None:
    host = start(
        """
        import subprocess
        def select_sites(context):
            context.state["pid"] = subprocess.Popen(["sleep", "60"]).pid
            return []
        """
    )
    select(host)
    started = host.state["pid"]
    assert alive(started) and alive(host.pid)
    host.close()
    host.close()
    assert not alive(host.pid)
    deadline = time.monotonic() + 3
    while alive(started) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(started)


HARNESS = """
import sys
from pathlib import Path
from challenge.isolation.host import ProcessHost
from tasks.task1_aggregation.context import RoundContext
folder = Path(sys.argv[1])
host = ProcessHost(folder / "submission.py", seed=0, scratch=folder / "scratch", log=folder / "log")
print(host.pid, flush=True)
host.select_sites(RoundContext(0, 1, 1.0, (), function="select_sites"))
"""


@pytest.mark.parametrize("body", ["import time; time.sleep(60)", "return sum(range(10**15))"])
def test_it_dies_with_the_harness(tmp_path: Path, body: str) -> None:
    (tmp_path / "submission.py").write_text(f"def select_sites(context):\n    {body}\n")
    harness = subprocess.Popen(
        [sys.executable, "-P", "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert harness.stdout is not None
    pid = int(harness.stdout.readline())
    time.sleep(0.1)
    assert alive(pid)
    harness.send_signal(signal.SIGKILL)
    harness.communicate(timeout=5)
    deadline = time.monotonic() + 3
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)
