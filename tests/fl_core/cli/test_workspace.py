"""``fx workspace``, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from fx_call import fx


def test_without_a_template_they_are_listed(tmp_path: Path) -> None:
    done = fx("workspace", "create", "--prefix", "w", cwd=tmp_path)

    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"torch_cnn_mnist", "keras_cnn_mnist", "numpy_plus_one"} <= set(names) and names == sorted(names)
    assert "next: fx workspace create --prefix FOLDER --template NAME" in done.stderr
    assert not (tmp_path / "w").exists()


def test_the_papers_steps_from_one_folder_to_another(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()

    created = fx("workspace", "create", "--prefix", "agg/w", "--template", "numpy_plus_one", cwd=tmp_path)
    home = tmp_path / "agg" / "w"
    initialised = fx("plan", "initialize", "-a", "agg.example", cwd=home)
    exported = fx("workspace", "export", cwd=home)
    imported = fx("workspace", "import", "--archive", str(home / "w.zip"), cwd=site)
    checked = fx("plan", "freeze", "--check", cwd=site / "w")

    for done in (created, initialised, exported, imported, checked):
        assert done.returncode == 0, done.stderr
    assert created.stdout.startswith("workspace agg/w made from numpy_plus_one; next: cd agg/w; pip install")
    assert "next: fx workspace certify" in initialised.stderr
    assert "11 files, no keys and no data paths; next: give it to every collaborator" in exported.stderr
    assert "next: cd w; fx collaborator generate-cert-request -n NAME -d DATA" in imported.stderr
    hashes = {done.stdout.strip() for done in (initialised, exported, imported, checked)}
    assert len(hashes) == 1 and hashes.pop().startswith("sha256:")
    assert yaml.safe_load((site / "w" / "plan" / "plan.yaml").read_text())["network"]["settings"] == {
        "agg_addr": "agg.example",
        "agg_port": yaml.safe_load((home / "plan" / "plan.yaml").read_text())["network"]["settings"][
            "agg_port"
        ],
    }


def test_certificates_stay_where_they_are_made(tmp_path: Path) -> None:
    fx("workspace", "create", "--prefix", "w", "--template", "numpy_plus_one", cwd=tmp_path)
    home = tmp_path / "w"
    assert fx("plan", "initialize", "-a", "localhost", cwd=home).returncode == 0
    assert fx("workspace", "certify", cwd=home).returncode == 0
    assert fx("aggregator", "generate-cert-request", "--fqdn", "localhost", cwd=home).returncode == 0
    assert fx("workspace", "export", cwd=home).returncode == 0

    names = zipfile.ZipFile(home / "w.zip").namelist()

    assert list((home / "cert").rglob("*.key")) and not [name for name in names if "cert" in name]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create", "--prefix", "w", "--template", "torch_cnn_mnits"], "did you mean torch_cnn_mnist?"),
        (["create", "--template", "torch_empty"], "say where: fx workspace create --prefix FOLDER"),
        (["create", "--prefix", ".", "--template", "torch_empty"], "not an empty folder; name a new one"),
        (["export"], "is no workspace (plan/plan.yaml is missing); change into one"),
        (["import", "--archive", "nowhere.zip"], "nowhere.zip: no such file"),
        (["import", "--archive", "mine.zip"], "mine.zip: is not a readable zip archive"),
        (["import"], "--archive"),
    ],
)
def test_a_wrong_call_says_how_to_mend_it(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "mine.zip").write_text("mine")

    done = fx("workspace", *words, cwd=tmp_path)

    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.zip"]


def test_export_before_initialize_says_so(tmp_path: Path) -> None:
    fx("workspace", "create", "--prefix", "w", "--template", "numpy_plus_one", cwd=tmp_path)

    done = fx("workspace", "export", cwd=tmp_path / "w")

    assert done.returncode == 2 and "`fx plan initialize` makes them" in done.stderr
    assert not (tmp_path / "w" / "w.zip").exists()


def test_every_group_of_the_paper_is_there(tmp_path: Path) -> None:
    shown = {
        group: fx(group, "--help", cwd=tmp_path).stdout
        for group in ("workspace", "plan", "aggregator", "collaborator", "model")
    }

    for group, commands in {
        "workspace": ["create", "certify", "export", "import"],
        "plan": ["initialize", "freeze", "print", "save", "switch", "remove"],
        "aggregator": ["generate-cert-request", "certify"],
        "collaborator": ["generate-cert-request", "certify"],
        "model": ["save"],
    }.items():
        for command in commands:
            assert f"  {command} " in shown[group], (group, command)


@pytest.mark.parametrize(
    "words",
    [
        ["workspace", "create"],
        ["plan", "--help"],
        ["aggregator", "start", "--help"],
        ["model", "save", "--help"],
    ],
    ids=" ".join,
)
def test_what_only_tells_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    heavy = (
        "torch",
        "keras",
        "grpc",
        "cryptography",
        "scipy",
        "sklearn",
        "pandas",
        "monai",
        "mlflow",
        "challenge",
    )
    code = (
        f"import sys; sys.argv = ['fx', *{words!r}]\n"
        "from fl_core.cli.main import run\n"
        "try:\n    run()\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[]"
