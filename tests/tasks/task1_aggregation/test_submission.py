from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.task1_aggregation.context import RoundContext, SiteInfo
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.adapter import FetsStrategy
from tasks.task1_aggregation.host import LocalHost
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update
from tasks.task1_aggregation.submission import FunctionStrategy, load

EXAMPLES = Path(__file__).parents[3] / "examples"
IMPORT = "from tasks.task1_aggregation.strategy import RoundConfig, Strategy\n"
CALL = "from fets_challenge import run_challenge_experiment\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text: str, name: str = "team.py") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write_file


def context(**more) -> RoundContext:
    sites = (SiteInfo("1", 4, 2), SiteInfo("2", 2, 1))
    return RoundContext(round=0, rounds=3, horizon_s=1e4, sites=sites, **more)


def refusal(path: Path) -> str:
    with pytest.raises(StrategyError) as caught:
        load(path)
    assert caught.value.function == "load"
    return caught.value.rule


def test_a_class(write):
    loaded = load(write(IMPORT + "class Mine(Strategy):\n    def select_sites(self, c): return ['2']\n"))
    assert (loaded.kind, loaded.settings, loaded.notes) == ("class", {}, ())
    host = LocalHost(loaded.strategy)
    assert host.select_sites(context()) == ["2"]
    assert host.configure_round(context()) == RoundConfig()


def test_the_one_of_several_classes_that_is_called_submission(write):
    both = IMPORT + "class Base(Strategy): pass\nclass {name}(Base): pass\n"
    assert type(load(write(both.format(name="Submission"))).strategy).__name__ == "Submission"
    assert "several strategies, Base, Other" in refusal(write(both.format(name="Other")))
    alias = IMPORT + "Submission = Strategy\n"
    assert type(load(write(alias)).strategy) is Strategy


def test_a_class_resumes_from_state_only_if_it_says_so_itself(write):
    says = IMPORT + "class A(Strategy):\n    resumes_from_state = True\n"
    assert load(write(says)).resumes_from_state
    assert not load(write(IMPORT + "class A(Strategy): pass\n")).resumes_from_state
    inherits = IMPORT + "from base import A\nclass Submission(A):\n    pass\n"
    write(says, "base.py")
    assert not load(write(inherits)).resumes_from_state


def test_functions_replace_fedavgs(write):
    loaded = load(write(IMPORT + "def configure_round(c): return RoundConfig(epochs=2)\n"))
    assert loaded.kind == "functions"
    assert isinstance(loaded.strategy, FunctionStrategy)
    host = LocalHost(loaded.strategy)
    assert host.select_sites(context()) == ["1", "2"]
    assert host.configure_round(context()) == RoundConfig(epochs=2)
    model = {"w": np.zeros(2, np.float32)}
    updates = [
        Update("1", {"w": np.ones(2, np.float32)}, 0.75, 4),
        Update("2", {"w": np.full(2, 5, np.float32)}, 0.25, 2),
    ]
    np.testing.assert_array_equal(host.aggregate(context(), model, updates)["w"], [2, 2])


def test_functions_with_other_arguments_are_refused(write):
    assert "select_sites(a, b) is called with 1 arguments" in refusal(write("def select_sites(a, b): pass"))


def test_the_functions_of_fets(write):
    text = "def choose_training_collaborators(c, it, r, chosen, times): return c[:1]\n"
    loaded = load(write(text))
    assert loaded.kind == "fets-functions"
    assert isinstance(loaded.strategy, FetsStrategy)
    assert not loaded.resumes_from_state
    assert loaded.settings == {}
    assert loaded.notes == (
        "aggregation_function is missing: the average weighted by training cases",
        "training_hyper_parameters_for_round is missing: the plan's learning rate and epochs",
    )
    assert LocalHost(loaded.strategy).select_sites(context()) == ["1"]


def test_functions_of_both_kinds_are_refused(write):
    text = "def select_sites(c): pass\ndef aggregation_function(a, b, c, d, e, f): pass\n"
    assert "keep those of one" in refusal(write(text))


def test_a_script_ends_at_its_call_under_main_and_at_module_level(write):
    text = CALL + (
        "import sys\n"
        "def choose(c, it, r, chosen, times): return ['2']\n"
        "arguments = list(sys.argv)\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        scores, folder = run_challenge_experiment(\n"
        "            None, choose, None, 'a.csv', '/no/such', rounds_to_train=3)\n"
        "    except Exception:\n"
        "        pass\n"
        "    raise SystemError('the code after the call must not run')\n"
    )
    loaded = load(write(text))
    assert loaded.kind == "fets-script"
    assert loaded.settings["rounds_to_train"] == 3
    assert loaded.settings["brats_training_data_parent_dir"] == "/no/such"
    assert LocalHost(loaded.strategy).select_sites(context()) == ["2"]
    assert sys.modules["__main__"].__name__ == "__main__"
    assert not str(getattr(sys.modules["__main__"], "__file__", "")).endswith("team.py")
    at_module_level = write(
        CALL + "scores = run_challenge_experiment(None, None, None, rounds_to_train=4)\n1/0\n"
    )
    assert load(at_module_level).settings["rounds_to_train"] == 4


def test_the_first_call_holds_even_if_the_script_catches_everything(write):
    text = CALL + (
        "for rounds in (8, 9):\n"
        "    try:\n"
        "        run_challenge_experiment(rounds_to_train=rounds)\n"
        "    except BaseException:\n"
        "        pass\n"
    )
    assert load(write(text)).settings["rounds_to_train"] == 8


def test_a_module_without_the_challenge_is_no_main_program(write):
    text = "def select_sites(c): return ['1']\nif __name__ == '__main__':\n    1 / 0\n"
    assert load(write(text)).kind == "functions"


def test_late_imports_and_calls_inside_functions(write):
    text = (
        "def choose_training_collaborators(c, it, r, chosen, times):\n"
        "    from fets_challenge import run_challenge_experiment\n"
        "    from fets_challenge.experiment import logger\n"
        "    import late_sibling\n"
        "    logger.info('late')\n"
        "    if r: run_challenge_experiment()\n"
        "    return [late_sibling.NAME]\n"
    )
    write("NAME = '2'\n", "late_sibling.py")
    loaded = load(write(text))
    assert LocalHost(loaded.strategy).select_sites(context()) == ["2"]
    later = dataclasses.replace(context(), round=1)
    with pytest.raises(RuntimeError, match="while the experiment runs"):
        LocalHost(loaded.strategy).select_sites(later)


def test_siblings_of_two_submissions_with_the_same_name_stay_apart(write):
    text = "import sibling\ndef select_sites(c): return [sibling.NAME]\n"
    for name in ("1", "2"):
        write(f"NAME = '{name}'\n", f"team{name}/sibling.py")
        loaded = load(write(text, f"team{name}/submission.py").parent)
        assert LocalHost(loaded.strategy).select_sites(context()) == [name]
        assert not list((loaded_folder := write("", f"team{name}/x.txt").parent).glob("__pycache__")), (
            loaded_folder
        )


def test_dataclasses_in_a_submission(write):
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n"
        "@dataclass\nclass Settings:\n    kind: ClassVar[int] = 3\n    name: str = '1'\n"
        "def select_sites(c): return [Settings().name]\n"
    )
    assert LocalHost(load(write(text)).strategy).select_sites(context()) == ["1"]


def test_a_missing_import_names_it_and_what_there_is(write):
    rule = refusal(write("import numpy\n\nimport wandb_not_here\n"))
    assert rule.startswith(
        "imports wandb_not_here (team.py line 3), which is not in this runtime; it offers "
    )
    numpy_version = ".".join(np.__version__.split(".")[:2])
    assert f"numpy {numpy_version}" in rule
    assert "torch 2" in rule
    assert "\n" not in rule


def test_a_missing_part_of_the_stand_in_is_named(write):
    assert "stand-in for fets_challenge lacks" in refusal(write("import fets_challenge.gandlf_csv_adapter\n"))
    assert "cannot import name 'nothing'" in refusal(write("from fets_challenge import nothing\n"))


def test_a_real_package_of_that_name_is_not_used(write, monkeypatch, tmp_path):
    write("raise SystemError('the real one')\n", "site/fets_challenge/__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert load(write(CALL + "run_challenge_experiment()\n")).kind == "fets-script"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "team.py line 1: invalid syntax: def f(:"),
        ("x = 1\nexit(3)\n", "calls exit(3) while it is loaded (team.py line 2)"),
        ("import sys\nsys.exit('no data')\n", "calls exit('no data') while it is loaded (team.py line 2)"),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('--data', required=True)\n"
         "p.parse_args()\n", "calls exit(2) while it is loaded (team.py line 4)"),
        ("def f():\n    return {}['lr']\nf()\n", "raised KeyError: 'lr' (team.py line 2)"),
        ("raise NotImplementedError\n", "raised NotImplementedError (team.py line 1)"),
        ("x = 1\n", "team.py has neither a subclass of Strategy nor one of the functions"),
        (IMPORT + "class A(Strategy):\n    def __init__(self, lr): pass\n", "A() raised TypeError"),
        (CALL + "run_challenge_experiment(aggregation_function='mean')\n", "aggregation_function is a str"),
        ("x = '\x00'\n", "null bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_says_why_and_where(write, text, message):
    rule = refusal(write(text))
    assert message in rule
    assert rule.count("\n") <= 1


def test_the_traceback_of_a_failing_module_is_logged(write, caplog):
    refusal(write("def inner():\n    raise ValueError('bad table')\ninner()\n"))
    assert "in inner" in caplog.text
    assert "raise ValueError('bad table')" in caplog.text


def test_which_file_a_path_means(write, tmp_path):
    function = "def select_sites(c): return ['{}']\n"
    only = write(function.format("only"), "a/anything.py").parent
    assert LocalHost(load(only).strategy).select_sites(context()) == ["only"]
    write(function.format("main"), "a/submission.py")
    assert LocalHost(load(only).strategy).select_sites(context()) == ["main"]
    write("", "b/x.py")
    assert "has x.py, y.py; name the one to load" in refusal(write("", "b/y.py").parent)
    assert "has no submission.py" in refusal(write("", "c/readme.md").parent)
    assert "does not exist" in refusal(tmp_path / "nothing.py")
    assert "neither a .py nor an .ipynb" in refusal(write("", "weights.bin"))
    bad = tmp_path / "latin.py"
    bad.write_bytes(b"x = '\xff'\n")
    assert "not text in the encoding" in refusal(bad)
    bad.write_bytes(b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\ndef select_sites(c): return [NAME]\n")
    assert LocalHost(load(bad).strategy).select_sites(context()) == ["é"]


def test_a_notebook(write):
    cells = [
        "%pip install wandb\nfrom fets_challenge import run_challenge_experiment",
        "def choose(c, it, r, chosen, times):\n    return c[-1:]",
        "scores = run_challenge_experiment(None, choose, None, validation_functions=[('s', min)])",
        "scores.plot()",
    ]
    content = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    loaded = load(write(json.dumps(content), "team.ipynb"))
    assert loaded.kind == "fets-notebook"
    assert LocalHost(loaded.strategy).select_sites(context()) == ["2"]
    assert loaded.notes[0] == "team.ipynb cell 1: '%pip install wandb' is left out"
    assert any(note.startswith("validation_functions=[s] is ignored") for note in loaded.notes)


def test_an_error_in_a_notebook_names_cell_and_line(write):
    content = {"cells": [{"cell_type": "code", "source": text} for text in ("a = 1", "b = 2\n1 / 0", "c =")]}
    assert "team.ipynb cell 3 line 1" in refusal(write(json.dumps(content), "team.ipynb"))
    content["cells"].pop()
    rule = refusal(write(json.dumps(content), "team.ipynb"))
    assert rule == "raised ZeroDivisionError: division by zero (team.ipynb cell 2 line 2)"


@pytest.mark.parametrize(
    ("name", "kind", "rounds"),
    [
        ("fedavg.py", "functions", None),
        ("fastest_half.py", "class", None),
        ("fets2022_script.py", "fets-script", 5),
        ("fets2021_functions.py", "fets-functions", None),
        ("fets2021_notebook.ipynb", "fets-notebook", 4),
    ],
)
def test_the_examples(name, kind, rounds):
    loaded = load(EXAMPLES / name)
    assert loaded.kind == kind
    assert loaded.settings.get("rounds_to_train") == rounds
    assert LocalHost(loaded.strategy).select_sites(context()) == ["1", "2"]


def test_loading_needs_neither_pandas_nor_torch():
    code = (
        "import sys; from pathlib import Path; from tasks.task1_aggregation.submission import load; "
        f"load(Path({str(EXAMPLES / 'fedavg.py')!r})); "
        "print([name for name in ('pandas', 'torch', 'mlflow', 'monai') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_print_of_a_note_is_left_to_the_caller(write, capsys):
    load(write("def select_sites(c): return ['1']\n"))
    assert capsys.readouterr().out == ""
    assert logging.getLogger("fets_challenge.experiment").handlers == []


def test_the_submissions_in_the_docs_load(write):
    text = (EXAMPLES.parent / "docs" / "submissions.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert [load(write(block)).kind for block in blocks] == ["class", "functions"]
