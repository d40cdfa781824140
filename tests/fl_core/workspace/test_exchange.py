"""Export and import: what every party shares, and nothing else."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from fl_core.archive import ArchiveError, write_zip
from fl_core.durable import Disk
from fl_core.errors import InputError, PlanError
from fl_core.workspace.exchange import export_workspace, import_workspace
from fl_core.workspace.frozen import frozen_now
from fl_core.workspace.initialise import initialise
from fl_core.workspace.layout import Workspace
from fl_core.workspace.plans import save_plan
from fl_core.workspace.templates import create_workspace

SHARED = [
    ".workspace",
    "plan/defaults/aggregator.yaml",
    "plan/defaults/assigner.yaml",
    "plan/defaults/collaborator.yaml",
    "plan/defaults/network.yaml",
    "plan/defaults/tasks.yaml",
    "plan/plan.sha256",
    "plan/plan.yaml",
    "requirements.txt",
    "save/init.safetensors",
    "src/__init__.py",
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = create_workspace(tmp_path / "agg" / "w", "numpy_plus_one", Disk())
    initialise(made, address="agg.example", disk=Disk())
    return made


def test_the_archive_holds_what_is_shared_and_nothing_else(workspace: Workspace, tmp_path: Path) -> None:
    save_plan(workspace, "other", Disk())
    for name in (
        "cert/server/agg.key", "cert/cert_chain.crt", "save/best.safetensors", "save/last.safetensors",
        "logs/a.log", "plan/plan.yaml.bak", "plan/defaults/x.key", "secret.txt", "src/__pycache__/a.pyc",
    ):  # fmt: skip
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_text("secret")
    workspace.data_paths.write_text("one: /hospital/data\n")
    workspace.authorised.write_text("collaborators: [one]\n")

    frozen, names = export_workspace(workspace, tmp_path / "w.zip")

    assert names == SHARED == sorted(zipfile.ZipFile(tmp_path / "w.zip").namelist())
    assert frozen.hash == workspace.frozen.read_text().strip()
    assert b"secret" not in b"".join(zipfile.ZipFile(tmp_path / "w.zip").read(name) for name in names)


def test_equal_workspaces_give_equal_archives(workspace: Workspace, tmp_path: Path) -> None:
    export_workspace(workspace, tmp_path / "one.zip")
    for file in workspace.root.rglob("*"):
        os.utime(file, (1, 1))
    export_workspace(workspace, tmp_path / "two.zip")

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_is_imported_has_the_same_hash_and_the_papers_layout(
    workspace: Workspace, tmp_path: Path
) -> None:
    frozen, _ = export_workspace(workspace, tmp_path / "w.zip")

    done = import_workspace(tmp_path / "w.zip", tmp_path / "site")

    assert done.workspace.root == tmp_path / "site" / "w" and done.files == len(SHARED)
    assert done.frozen == frozen == frozen_now(done.workspace.plan)
    assert {p.name for p in done.workspace.root.iterdir()} == {
        "plan", "src", "save", "logs", "cert", "requirements.txt", ".workspace",
    }  # fmt: skip


def test_only_an_initialised_and_unchanged_plan_is_exported(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "src" / "new.py").write_text("x = 1\n")
    with pytest.raises(PlanError, match="changed since they were frozen"):
        export_workspace(workspace, tmp_path / "w.zip")
    (workspace.save / "init.safetensors").unlink()
    with pytest.raises(PlanError, match="`fx plan initialize` makes them"):
        export_workspace(workspace, tmp_path / "w.zip")
    assert not (tmp_path / "w.zip").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("src/agg.key", "x"), ("src/a.txt", "-----BEGIN EC PRIVATE KEY-----\nMHc=\n")],
)
def test_a_key_among_the_code_is_refused(
    workspace: Workspace, tmp_path: Path, name: str, content: str
) -> None:
    (workspace.root / name).write_text(content)
    initialise(workspace, disk=Disk())

    with pytest.raises(InputError, match="is a private key; keys belong into cert/"):
        export_workspace(workspace, tmp_path / "w.zip")


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ({"cert/ca/root.key": b"x"}, "cert/ca/root.key does not belong"),
        ({"plan/data.yaml": b"a: /"}, "plan/data.yaml does not belong"),
        ({"plan/cols.yaml": b"a: /"}, "plan/cols.yaml does not belong"),
        ({"save/best.safetensors": b"x"}, "save/best.safetensors is not the plan's initial model"),
        ({"src/__init__.py": b"import os\n"}, "changed since they were frozen"),
        ({"../evil.py": b"x"}, "leads out"),
    ],
)
def test_an_archive_with_anything_else_leaves_nothing_behind(
    workspace: Workspace, tmp_path: Path, added: dict[str, bytes], told: str
) -> None:
    export_workspace(workspace, tmp_path / "w.zip")
    with zipfile.ZipFile(tmp_path / "w.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for name, content in {**files, **added}.items():
            archive.writestr(name, content)
    (tmp_path / "site").mkdir()

    with pytest.raises(InputError, match=told):
        import_workspace(tmp_path / "bad.zip", tmp_path / "site")

    assert list((tmp_path / "site").iterdir()) == [] and not (tmp_path / "evil.py").exists()


def test_other_archives_and_full_folders_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    write_zip(tmp_path / "other.zip", {"src/a.py": b""})
    with pytest.raises(InputError, match="is no workspace"):
        import_workspace(tmp_path / "other.zip", tmp_path / "site")
    with pytest.raises(ArchiveError, match=r"NAME\.zip"):
        import_workspace(tmp_path / "other.tar", tmp_path / "site")
    export_workspace(workspace, tmp_path / "w.zip")
    (tmp_path / "site" / "w").mkdir(parents=True)
    (tmp_path / "site" / "w" / "mine.txt").write_text("mine")
    with pytest.raises(ArchiveError, match="not an empty folder"):
        import_workspace(tmp_path / "w.zip", tmp_path / "site")
    assert (tmp_path / "site" / "w" / "mine.txt").read_text() == "mine"
