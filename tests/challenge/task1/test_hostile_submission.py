"""Submissions that break a rule, or try to break the run, through the whole harness on the "+1" trainer.

The strategy runs in its own process, as in an official run. It misbehaves in round 1: what round 0 wrote
must be untouched, and nothing may look as if the run had finished.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from textwrap import dedent, indent

import pytest
from _pytest.mark.structures import ParameterSet
from plus_one_engine import Silent, configuration, results, surroundings

from challenge.cli.errors import exit_code_of
from challenge.records.verify import verify
from challenge.task1.run import resume, start
from tasks.task1_aggregation.checkpoint import CheckpointError
from tasks.task1_aggregation.errors import StrategyError

SUBMISSION = """
import os, sys, time
import numpy as np
from tasks.task1_aggregation.strategy import RoundConfig

print("pid", os.getpid())

def select_sites(context):
    if FUNCTION == "select_sites" and context.round == 1:
{body}
    return context.names

def configure_round(context):
    if FUNCTION == "configure_round" and context.round == 1:
{body}
    return RoundConfig()

def aggregate(context, model, updates):
    mean = {{n: sum(u.tensors[n] * np.float32(u.weight) for u in updates) for n in model}}
    if FUNCTION == "aggregate" and context.round == 1:
{body}
    return mean
"""

BROKEN = [
    ("select_sites", "return []", "it selected no site; select at least one of 1, 2, 3"),
    ("select_sites", "return ['1', 'Narnia']", "no site is called 'Narnia'; the sites are 1, 2, 3"),
    ("select_sites", "return [1, 2]", "returned 1, a value of type int; site names are texts"),
    ("select_sites", "return '12'", "returned a value of type str; a list of site names is wanted"),
    ("select_sites", "return None", "returned None; a list of site names is wanted"),
    *(
        ("configure_round", f"return RoundConfig({field}={value})", f"{field} is {shown}; it must be finite")
        for field in ("learning_rate", "epochs")
        for value, shown in (
            ("float('nan')", "nan"),
            ("float('inf')", "inf"),
            ("-float('inf')", "-inf"),
            ("0", "0"),
            ("-1.5", "-1.5"),
        )
    ),
    ("configure_round", "return RoundConfig(learning_rate='fast')", "learning_rate is a value of type str"),
    ("configure_round", "return RoundConfig(epochs=[1])", "epochs is a value of type list; a number"),
    ("configure_round", "return RoundConfig(epochs=True)", "epochs is a value of type bool; a number"),
    ("configure_round", "return RoundConfig(batches=0)", "batches is 0; a whole number from 1"),
    ("configure_round", "return RoundConfig(epochs=1, batches=1)", "give epochs or batches, not both"),
    ("configure_round", "return {'1': RoundConfig()}", "no RoundConfig for the selected site 2"),
    ("configure_round", "return 0.1", "returned a value of type float; a RoundConfig"),
    ("aggregate", "del mean['bias']; return mean", "tensor names differ from the model's: missing 'bias'"),
    (
        "aggregate",
        "mean['extra'] = mean['bias']; return mean",
        "differ from the model's: extra 'extra'",
    ),
    ("aggregate", "return {}", "names differ from the model's: missing 'bias', 'weight'"),
    ("aggregate", "mean['bias'] = mean['bias'][:2]; return mean", r"'bias' has shape (2,); it must be (3,)"),
    ("aggregate", "mean['bias'] = np.zeros(3, np.int32); return mean", "has dtype int32; it must be float32"),
    ("aggregate", "mean['bias'] = np.zeros(3, np.float16); return mean", "has dtype float16; it must be flo"),
    ("aggregate", "mean['bias'] = np.full(3, 'x'); return mean", "returned what cannot be handed over"),
    ("aggregate", "mean['bias'] = [object()] * 3; return mean", "returned what cannot be handed over"),
    ("aggregate", "mean['bias'] = np.array([0, np.nan, 0], np.float32); return mean", "such as nan; every"),
    ("aggregate", "mean['bias'] = np.array([0, np.inf, 0], np.float32); return mean", "such as inf; every"),
    ("aggregate", "mean['bias'] = np.full(3, 1e300); return mean", "1e+300; every value must be finite"),
    ("aggregate", "return None", "returned None; "),
    ("aggregate", "return list(mean.values())", "returned a value of type list; "),
    ("aggregate", "raise RuntimeError('no luck')", "raised RuntimeError: no luck (team.py line 21)"),
    ("aggregate", "raise KeyboardInterrupt", "raised KeyboardInterrupt (team.py line 21)"),
    ("aggregate", "return 1 / 0", "raised ZeroDivisionError: division by zero (team.py line 21)"),
    ("aggregate", "raise BaseException('a\\n\\x1b[2Jb')", "raised BaseException: a  [2Jb (team.py line 21)"),
    ("aggregate", "f = lambda: f(); f()", "raised RecursionError"),
    ("aggregate", "import no_such_package", "raised ModuleNotFoundError: No module named 'no_such_package'"),
    ("aggregate", "model['bias'][:] = 7", "raised ValueError: assignment destination is read-only"),
    ("aggregate", "updates[0].tensors['bias'] += 1", "raised ValueError: output array is read-only"),
    ("aggregate", "sys.exit('enough')", "ended its process (exit code 1)"),
    ("aggregate", "sys.exit(0)", "ended its process (exit code 0)"),
    ("aggregate", "os._exit(7)", "ended its process (exit code 7)"),
    ("aggregate", "os.kill(os.getpid(), 9)", "ended its process (signal SIGKILL"),
    ("aggregate", "os.abort()", "ended its process (signal SIGABRT"),
    ("aggregate", "while True: pass", "took longer than 1 s; its process was ended"),
    ("aggregate", "time.sleep(60)", "took longer than 1 s; its process was ended"),
]

QUICK = {
    "return []", "return ['1', 'Narnia']", "return RoundConfig(learning_rate=float('nan'))",
    "return RoundConfig(epochs=0)", "del mean['bias']; return mean", "return 1 / 0", "os._exit(7)",
    "while True: pass", "model['bias'][:] = 7",
}  # fmt: skip


def by_speed(cases: list[tuple[str, str, str]]) -> list[ParameterSet]:
    """All cases; only a few of them in the fast suite, as each starts a process."""
    return [pytest.param(*case, marks=[] if case[1] in QUICK else [pytest.mark.slow]) for case in cases]


def write(folder: Path, function: str, body: str) -> Path:
    path = folder / "team.py"
    text = SUBMISSION.format(body=indent(dedent(body), " " * 8))
    path.write_text(text.replace("FUNCTION", repr(function)))
    return path


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def reported_pid(folder: Path) -> int:
    return int((folder / "strategy.log").read_text().split("pid ")[1].split()[0])


@pytest.mark.parametrize(("function", "body", "message"), by_speed(BROKEN))
def test_a_broken_rule_ends_the_run_and_nothing_else(
    tmp_path: Path, tiny_data: Path, function: str, body: str, message: str
) -> None:
    submission = write(tmp_path, function, body)
    folder, terminal = tmp_path / "run", Silent()
    limits = {"aggregate_s": 1.0} if "longer than" in message else {}
    before = sorted(path.name for path in tmp_path.iterdir())

    with pytest.raises(StrategyError) as caught:
        start(
            configuration(tiny_data, submission=submission, limits=limits, isolation="L0"),
            folder,
            surroundings(terminal=terminal),
        )

    text = str(caught.value)
    assert caught.value.function == function and text.startswith(f"{function}: ")
    assert message in text and "\n" not in text
    assert exit_code_of(caught.value) == 1
    # What was committed before is there, whole, and nothing pretends that the run is finished.
    assert [line.split(",")[:2] for line in (folder / "rounds.csv").read_text().splitlines()[1:]] == [
        ["0", "ok"]
    ]
    assert [row.round for row in terminal.rows] == [0]
    assert {line.split(",")[0] for line in (folder / "sites.csv").read_text().splitlines()[1:]} == {"0"}
    assert not (folder / "record.json").exists() and not (folder / "model.safetensors").exists()
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*sorted(["run", *before])]
    assert gone(reported_pid(folder))


FETS = """
def {function}({arguments}):
    {body}
"""
ROUND = "collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round"
ARGUMENTS = {
    "choose_training_collaborators": ROUND,
    "training_hyper_parameters_for_round": ROUND,
    "aggregation_function": "local_tensors, tensor_db, tensor_name, fl_round, *rest",
}


@pytest.mark.parametrize(
    ("function", "body", "message"),
    [
        (
            "choose_training_collaborators",
            "return []",
            "select_sites: choose_training_collaborators returned an",
        ),
        (
            "choose_training_collaborators",
            "return ['x']",
            "select_sites: no site is called 'x'; the sites are",
        ),
        ("training_hyper_parameters_for_round", "return float('nan'), 1", "learning_rate is nan; it must be"),
        (
            "training_hyper_parameters_for_round",
            "return 0.1, 0",
            "epochs is 0.0; it must be finite and positi",
        ),
        ("training_hyper_parameters_for_round", "return 0.1, 'x'", "epochs is a str, not a number"),
        ("training_hyper_parameters_for_round", "return 0.1", "training_hyper_parameters_for_round returned"),
        ("aggregation_function", "return None", "aggregation_function returned None for 'bias'; return an"),
        ("aggregation_function", "return 3.0", "returned shape () for 'bias', which has shape (3,)"),
        (
            "aggregation_function",
            "return local_tensors[0].tensor / 0 * 0",
            "such as nan; every value must be",
        ),
        ("aggregation_function", "raise ValueError('x')", "aggregate: raised ValueError: x (team.py line 3)"),
    ],
)
@pytest.mark.slow
def test_an_old_style_submission_is_told_of_its_own_function(
    tmp_path: Path, tiny_data: Path, function: str, body: str, message: str
) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(FETS.format(function=function, arguments=ARGUMENTS[function], body=body))

    with pytest.raises(StrategyError) as caught:
        start(
            configuration(tiny_data, submission=submission, isolation="L0"), tmp_path / "run", surroundings()
        )

    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "os._exit(3)",
        *(
            pytest.param(body, marks=pytest.mark.slow)
            for body in ("raise RuntimeError('flaky')", "time.sleep(60)", "del mean['bias']")
        ),
    ],
)
def test_the_rounds_before_an_error_serve_a_resume(tmp_path: Path, tiny_data: Path, body: str) -> None:
    flag = tmp_path / "flag"
    submission = write(tmp_path, "aggregate", f"if os.path.exists({str(flag)!r}):\n    {body}")
    config = configuration(tiny_data, submission=submission, limits={"aggregate_s": 1.0}, isolation="L0")
    start(config, tmp_path / "whole", surroundings())
    folder = tmp_path / "run"
    flag.touch()
    with pytest.raises(StrategyError, match="aggregate: "):
        start(config, folder, surroundings())
    with pytest.raises(StrategyError, match="aggregate: "):
        resume(folder, None, None, True, surroundings())

    flag.unlink()
    resume(folder, None, None, True, surroundings())

    assert results(folder) == results(tmp_path / "whole")
    assert verify(folder, ()).intact


def test_a_mended_submission_is_another_one(tmp_path: Path, tiny_data: Path) -> None:
    submission = write(tmp_path, "aggregate", "return None")
    config = configuration(tiny_data, submission=submission, isolation="L0")
    with pytest.raises(StrategyError):
        start(config, tmp_path / "run", surroundings())
    write(tmp_path, "aggregate", "pass")

    with pytest.raises(CheckpointError, match="submission changed"):
        resume(tmp_path / "run", None, None, True, surroundings())
    assert start(config, tmp_path / "again", surroundings())["best_round"] == 3


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import tensorflow_federated",
            "imports tensorflow_federated (team.py line 1), which is not in",
        ),
        (
            "def aggregate(context, model, updates)\n    return model",
            "team.py line 1: expected ':': def a",
        ),
        *(
            pytest.param(code, message, marks=pytest.mark.slow)
            for code, message in (
                ("x = 1\nundefined", "raised NameError: name 'undefined' is not defined (team.py line 2)"),
                ("import sys\nsys.exit(3)", "calls exit(3) while it is loaded (team.py line 2)"),
                ("import os\nos._exit(3)", "ended its process (exit code 3)"),
                ("while True: pass", "took longer than 2 s; its process was ended"),
                (
                    "raise ValueError('a' + chr(0) + chr(10) + 'b')",
                    "ValueError: a  b (team.py line 1)",
                ),
                ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
                ("", "team.py has neither a subclass of Strategy nor one of the functions"),
            )
        ),
    ],
)
def test_what_cannot_be_loaded_leaves_the_folder_free(
    tmp_path: Path, tiny_data: Path, code: str, message: str
) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(code)
    config = configuration(tiny_data, submission=submission, limits={"load_s": 2.0}, isolation="L0", rounds=1)

    with pytest.raises(StrategyError) as caught:
        start(config, tmp_path / "run", surroundings())

    assert caught.value.function == "load" and exit_code_of(caught.value) == 1
    assert "\n" not in str(caught.value)
    assert message in str(caught.value)
    if "imports" in message:
        assert "it offers numpy " in str(caught.value) and "torch " in str(caught.value)
    submission.write_text("def select_sites(context): return context.names")
    config = config.model_copy(update={"limits": config.limits.model_copy(update={"load_s": 120.0})})
    start(config, tmp_path / "run", surroundings())
    assert verify(tmp_path / "run", ()).intact


def test_megabytes_of_output_are_cut_and_the_run_goes_on(tmp_path: Path, tiny_data: Path) -> None:
    submission = write(
        tmp_path, "aggregate", "for _ in range(200):\n    print('x' * 50_000)\nos.write(2, b'y' * 10**7)"
    )
    folder = tmp_path / "run"

    start(
        configuration(tiny_data, submission=submission, limits={"log_mib": 0.5}, isolation="L0"),
        folder,
        surroundings(),
    )

    size = (folder / "strategy.log").stat().st_size
    assert 2**19 <= size <= 2**19 + 200
    assert "524288 bytes are reached; the rest of the output is cut" in (folder / "strategy.log").read_text()
    assert verify(folder, ()).intact
    assert json.loads((folder / "record.json").read_text())["facts"]["isolation"] == "L0"


def test_inputs_that_are_changed_by_force_stay_what_they_are(tmp_path: Path, tiny_data: Path) -> None:
    honest = tmp_path / "honest"
    honest.mkdir()
    quiet = configuration(tiny_data, submission=write(honest, "aggregate", "pass"), isolation="L0")
    start(quiet, tmp_path / "expected", surroundings())
    vandal = write(
        tmp_path,
        "aggregate",
        """
        import ctypes
        for array in [*model.values(), *(a for u in updates for a in u.tensors.values())]:
            try:
                array.setflags(write=True)
                array[...] = 99
            except ValueError:
                pass
        try:
            model["bias"] = None
        except TypeError:
            pass
        context.state["x"] = 1
        try:
            context.history[0].sites.clear()
        except (AttributeError, TypeError):
            pass
        """,
    )

    start(configuration(tiny_data, submission=vandal, isolation="L0"), tmp_path / "run", surroundings())

    for name in ("rounds.csv", "sites.csv", "model.safetensors", "partition.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes(), name


def test_what_it_leaves_running_is_ended_with_the_run(tmp_path: Path, tiny_data: Path) -> None:
    submission = write(
        tmp_path,
        "aggregate",
        """
        import subprocess, threading
        print("child", subprocess.Popen(["sleep", "60"]).pid, flush=True)
        threading.Thread(target=time.sleep, args=(60,)).start()
        """,
    )
    folder, began = tmp_path / "run", time.monotonic()

    start(configuration(tiny_data, submission=submission, isolation="L0"), folder, surroundings())

    assert time.monotonic() - began < 30
    child = int((folder / "strategy.log").read_text().split("child ")[1].split()[0])
    deadline = time.monotonic() + 3
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone(child) and gone(reported_pid(folder))
    assert (folder / "record.json").exists()


@pytest.mark.parametrize("body", ["raise RuntimeError('no luck')", "return None", "del mean['bias']"])
def test_without_isolation_the_error_is_the_same(tmp_path: Path, tiny_data: Path, body: str) -> None:
    submission = write(tmp_path, "aggregate", body)

    with pytest.raises(StrategyError, match=r"^aggregate: "):
        start(
            configuration(tiny_data, submission=submission, isolation="none"),
            tmp_path / "run",
            surroundings(),
        )

    assert len((tmp_path / "run" / "rounds.csv").read_text().splitlines()) == 2
