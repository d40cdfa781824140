"""How the templates of a plan become a task runner at a site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import InputError, PlanError
from fl_core.workspace.code import code_files, import_code
from fl_core.workspace.source import initial_runner, open_source

RUNNER = """
from fl_core.task_runner.plus_one import PlusOneRunner, PlusOneSettings

class Runner(PlusOneRunner):
    def __init__(self, data, step=1.0, seed=0):
        super().__init__(PlusOneSettings(step=step), "x")
        self.data, self.step, self.seed = data, step, seed

class Loader:
    made = 0
    def __init__(self, path, batch_size=1):
        type(self).made += 1
        self.path, self.batch_size = path, batch_size

class Source:
    def __init__(self, settings, data): self.settings, self.data = settings, data
    def open(self, site): return Runner(self.data.get(site))

def with_data(settings, data): return Source(settings, data)
def without(settings): return Source(settings, {})
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "model.py").write_text(RUNNER)
    return tmp_path


def settings(
    workspace: Path, runner: dict[str, Any], loader: dict[str, Any] | None = None, **rest: Any
) -> Any:
    return {"workspace": str(workspace), "task_runner": runner, "data_loader": loader or {}, **rest}


def test_a_class_is_given_what_the_loader_makes_of_the_sites_path(workspace: Path) -> None:
    source = open_source(
        settings(
            workspace,
            {"template": "src.model.Runner", "settings": {"step": 2.0}},
            {"template": "src.model:Loader", "settings": {"batch_size": 8}},
            data={"a": "/data/a", "b": "/data/b"},
            seed=5,
        )
    )

    runner: Any = source.open("a")

    assert (runner.data.path, runner.data.batch_size, runner.step, runner.seed) == ("/data/a", 8, 2.0, 5)
    assert source.open("a") is runner
    source.open("b")
    assert source.open("a").data is runner.data  # type: ignore[attr-defined]
    assert sys.modules["src.model"].Loader.made == 2
    with pytest.raises(InputError, match=r"site c: .* write `c: PATH` into plan/data\.yaml"):
        source.open("c")


def test_without_a_loader_it_is_given_the_path_and_for_its_model_nothing(workspace: Path) -> None:
    given = settings(
        workspace, {"template": "src.model.Runner", "settings": {"seed": 9}}, data={"a": "p"}, seed=5
    )

    runner: Any = open_source(given).open("a")
    initial: Any = initial_runner(given)

    assert (runner.data, runner.seed) == ("p", 9)
    assert initial.data is None


def test_a_function_returns_a_source_and_may_ask_for_the_paths(workspace: Path) -> None:
    with_data: Any = open_source(
        settings(workspace, {"template": "src.model.with_data", "settings": {"x": 1}}, data={"a": "p"})
    )
    without: Any = open_source(settings(workspace, {"template": "src.model.without"}, data={"a": "p"}))

    assert (with_data.settings, with_data.data) == ({"x": 1}, {"a": "p"})
    assert (without.settings, without.data) == ({}, {})
    assert initial_runner(settings(workspace, {"template": "src.model.without"})).tensors()


@pytest.mark.parametrize(
    ("runner", "loader", "told"),
    [
        ({}, {}, "task_runner.template is not set"),
        ({"template": "src.model.Runer"}, {}, "did you mean src.model.Runner?"),
        ({"template": "src.mdel.Runner"}, {}, "no module named 'src.mdel'"),
        (
            {"template": "src.model.Runner", "settings": {"stp": 1}},
            {},
            "task_runner.settings.stp: is no setting of this template; did you mean step?",
        ),
        (
            {"template": "src.model.Runner"},
            {"template": "src.model.Loader", "settings": {"batch": 1}},
            "data_loader.settings.batch: is no setting of this template; did you mean batch_size?",
        ),
    ],
)
def test_errors_name_the_key(workspace: Path, runner: Any, loader: Any, told: str) -> None:
    with pytest.raises(PlanError) as caught:
        open_source(settings(workspace, runner, loader, data={"a": "p"})).open("a")
    assert told in str(caught.value)


def test_each_workspace_has_its_own_code_and_nothing_else_of_its_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "src" / "deep").mkdir(parents=True)
        (tmp_path / name / "src" / "deep" / "which.py").write_text(f"name = {name!r}\n")
        (tmp_path / name / "json.py").write_text("raise SystemExit('imported from the workspace')\n")
    (tmp_path / "two" / "src" / "__init__.py").write_text("started = True\n")
    path = list(sys.path)

    found = []
    for name in ("one", "two", "one"):
        import_code(tmp_path / name)
        found.append(__import__("src.deep.which", fromlist=["name"]).name)

    assert found == ["one", "two", "one"] and sys.path == path
    import_code(tmp_path / "two")
    assert sys.modules["src"].started


def test_code_is_every_file_of_the_code_folders_but_what_python_makes(tmp_path: Path) -> None:
    for name in (
        "src/a.py",
        "src/deep/b.json",
        "code/c.py",
        "src/.hidden",
        "src/__pycache__/a.nbi",
        "src/b.pyc",
        "d.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())

    assert code_files(tmp_path) == {
        "src/a.py": b"src/a.py",
        "src/deep/b.json": b"src/deep/b.json",
        "code/c.py": b"code/c.py",
    }
