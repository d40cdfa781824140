"""``fx plan initialize``, ``save``, ``switch`` and ``remove``, run as a user runs them."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import yaml
from fx_call import fx

from fl_core.durable import Disk
from fl_core.plan.address import port_of
from fl_core.plan.edit import set_value
from fl_core.tensors.codec import read_file, write_file
from fl_core.workspace.frozen import frozen_now
from fl_core.workspace.templates import create_workspace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return create_workspace(tmp_path / "w", "numpy_plus_one", Disk()).root


def network(home: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((home / "plan" / "plan.yaml").read_text())["network"][
        "settings"
    ]
    return found


def test_initialize_fills_in_the_address_writes_the_weights_and_freezes(home: Path) -> None:
    before = (home / "plan" / "plan.yaml").read_text()

    done = fx("plan", "initialize", cwd=home)

    assert done.returncode == 0, done.stderr
    tensors, metadata = read_file(home / "save" / "init.safetensors")
    assert {name: array.shape for name, array in tensors.items()} == {"bias": (3,), "weight": (2, 3)}
    assert metadata is None
    assert done.stdout == (home / "plan" / "plan.sha256").read_text()
    assert done.stdout.strip() == frozen_now(home / "plan" / "plan.yaml").hash
    settings = network(home)
    assert settings["agg_addr"] == socket.getfqdn()
    assert f"aggregator {socket.getfqdn()}:{settings['agg_port']}" in done.stderr
    assert "(2 tensors, 9 values); next: fx workspace certify" in done.stderr
    # The port belongs to the plan as it was with the address and without the port.
    (home / "plan" / "plan.yaml").write_text(
        set_value(before, ["network", "settings", "agg_addr"], socket.getfqdn())
    )
    assert settings["agg_port"] == port_of(frozen_now(home / "plan" / "plan.yaml").hash)


def test_initialize_twice_changes_nothing_and_an_address_given_later_is_taken(home: Path) -> None:
    fx("plan", "initialize", "-a", "one.example", cwd=home)
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    again = fx("plan", "initialize", cwd=home)

    assert again.returncode == 0
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == files
    port = network(home)["agg_port"]
    fx("plan", "initialize", "-a", "10.0.0.7", cwd=home)
    assert network(home) == {"agg_addr": "10.0.0.7", "agg_port": port}


def test_initialize_takes_given_weights_if_they_are_the_models(home: Path) -> None:
    given = {"bias": np.full(3, 2, np.float32), "weight": np.full((2, 3), 5, np.float32)}
    write_file(home / "given.safetensors", given, disk=Disk())
    write_file(home / "other.safetensors", {**given, "bias": np.zeros(4, np.float32)}, disk=Disk())

    done = fx("plan", "initialize", "--weights", "given.safetensors", cwd=home)
    frozen = (home / "plan" / "plan.sha256").read_text()
    other = fx("plan", "initialize", "--weights", "other.safetensors", cwd=home)
    missing = fx("plan", "initialize", "--weights", "nowhere.safetensors", cwd=home)

    assert done.returncode == 0, done.stderr
    tensors, _ = read_file(home / "save" / "init.safetensors")
    assert all(np.array_equal(tensors[name], given[name]) for name in given)
    assert other.returncode == 2 and "other.safetensors: tensor 'bias' has shape (4,)" in other.stderr
    assert missing.returncode == 2 and "nowhere.safetensors" in missing.stderr
    assert (home / "plan" / "plan.sha256").read_text() == frozen


@pytest.mark.parametrize("address", ["agg.example:50051", "https://agg.example", "", "a b"])
def test_an_address_that_is_none_changes_nothing(home: Path, address: str) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    done = fx("plan", "initialize", "-a", address, cwd=home)

    assert done.returncode == 2 and "neither a DNS name" in done.stderr
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_runner_that_fails_is_one_line_that_names_it(home: Path) -> None:
    (home / "src" / "model.py").write_text("class Runner:\n    def __init__(self, data): data.shape\n")
    plan = home / "plan" / "plan.yaml"
    plan.write_text(plan.read_text().replace("fl_core.task_runner.plus_one.open_source", "src.model.Runner"))
    wrong = fx("plan", "initialize", cwd=home)
    plan.write_text("\n".join(line for line in plan.read_text().splitlines() if "    " not in line[:4]))
    plan.write_text("task_runner:\n  template: src.model.Runner\n")

    failed = fx("plan", "initialize", cwd=home)

    assert wrong.returncode == 2 and "task_runner.settings.step: is no setting" in wrong.stderr
    assert failed.returncode == 1 and len(failed.stderr.splitlines()) == 1
    assert "src.model.Runner failed (AttributeError: " in failed.stderr
    assert "Traceback" in fx("--debug", "plan", "initialize", cwd=home).stderr


def test_what_is_missing_from_the_machine_is_told_with_the_way_to_get_it(home: Path) -> None:
    (home / "src" / "model.py").write_text("import a_framework_that_is_not_here\n")
    plan = home / "plan" / "plan.yaml"
    plan.write_text("task_runner:\n  template: src.model.Runner\n")

    done = fx("plan", "initialize", cwd=home)

    assert done.returncode == 2
    assert "no module named 'a_framework_that_is_not_here'" in done.stderr
    assert "pip install -r requirements.txt" in done.stderr


def test_two_plans_take_turns(home: Path) -> None:
    plan = home / "plan" / "plan.yaml"
    fx("plan", "initialize", "-a", "localhost", cwd=home)
    first, frozen = plan.read_text(), (home / "plan" / "plan.sha256").read_text()
    saved = fx("plan", "save", "-n", "default", cwd=home)
    plan.write_text(first.replace("rounds_to_train: 3", "rounds_to_train: 9"))

    unsaved = fx("plan", "switch", "default", cwd=home)
    kept = fx("plan", "save", "longer", cwd=home)
    second = plan.read_text()
    back = fx("plan", "switch", "default", cwd=home)

    assert saved.returncode == 0 and saved.stdout.startswith("plan saved as default")
    assert unsaved.returncode == 2 and "`fx plan save default`" in unsaved.stderr
    assert kept.returncode == 0 and back.returncode == 0
    assert back.stdout == "plan default is in force; next: fx workspace export\n"
    assert plan.read_text() == first and (home / "plan" / "plan.sha256").read_text() == frozen
    assert fx("plan", "freeze", "--check", cwd=home).returncode == 0
    assert fx("plan", "print", cwd=home).stdout.startswith("# the plan in force: default\naggregator:\n")

    to_second = fx("plan", "switch", "--name", "longer", cwd=home)
    assert to_second.stdout == "plan longer is in force; next: fx plan freeze\n"
    assert plan.read_text() == second
    assert fx("plan", "freeze", cwd=home).stdout != frozen
    assert fx("plan", "save", "longer", cwd=home).returncode == 0
    fx("plan", "switch", "default", cwd=home)
    assert (home / "plan" / "plan.sha256").read_text() == frozen
    assert "next: fx workspace export" in fx("plan", "switch", "longer", cwd=home).stdout
    assert fx("plan", "remove", "longer", cwd=home).returncode == 2  # it is in force
    assert fx("plan", "remove", "default", cwd=home).stdout == "plan default removed; saved are: longer\n"
    gone = fx("plan", "switch", "default", cwd=home)
    assert gone.returncode == 2 and "saved are: longer" in gone.stderr


def test_force_loses_what_was_not_saved(home: Path) -> None:
    plan = home / "plan" / "plan.yaml"
    first = plan.read_text()
    fx("plan", "save", "a", cwd=home)
    plan.write_text(first + "# changed\n")

    done = fx("plan", "switch", "a", "--force", cwd=home)

    assert done.returncode == 0 and plan.read_text() == first
    assert done.stdout == "plan a is in force; next: fx plan initialize\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["save", "../evil"], "is no name for a plan"),
        (["save", "."], "is no name for a plan"),
        (["switch", "../../x"], "is no name for a plan"),
        (["remove", "nowhere"], "no plan is saved as 'nowhere'; saved are: none"),
        (["save"], "name one plan"),
        (["save", "a", "-n", "b"], "name one plan"),
    ],
)
def test_wrong_names_are_refused(home: Path, words: list[str], told: str) -> None:
    before = sorted(path for path in home.parent.rglob("*"))

    done = fx("plan", *words, cwd=home)

    assert done.returncode == 2 and told in done.stderr
    assert sorted(path for path in home.parent.rglob("*")) == before


def test_outside_a_workspace_it_says_so(tmp_path: Path) -> None:
    for words in (["initialize"], ["save", "a"], ["switch", "a"], ["remove", "a"]):
        done = fx("plan", *words, cwd=tmp_path)
        assert done.returncode == 2 and "is no workspace" in done.stderr
