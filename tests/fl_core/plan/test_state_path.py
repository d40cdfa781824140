"""Where models lie: inside the workspace, as safetensors whatever the plan calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fl_core.errors import PlanError
from fl_core.plan.state_path import state_path


def test_a_pbuf_path_means_safetensors_under_that_stem_and_is_noted(tmp_path: Path) -> None:
    found = state_path(tmp_path, "save/a.b_init.pbuf")

    assert found.path == tmp_path / "save" / "a.b_init.safetensors"
    assert found.note == "save/a.b_init.pbuf: kept as save/a.b_init.safetensors"


def test_any_other_path_is_taken_without_a_note(tmp_path: Path) -> None:
    found = state_path(tmp_path, "save/best.safetensors")

    assert (found.path, found.note) == (tmp_path / "save" / "best.safetensors", "")


@pytest.mark.parametrize("named", ["../x.safetensors", "/etc/x.safetensors", "save/../../x.pbuf"])
def test_no_path_leaves_the_workspace(tmp_path: Path, named: str) -> None:
    with pytest.raises(PlanError, match=r"key: .* leaves the workspace"):
        state_path(tmp_path, named, key="key")


def test_no_link_leaves_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "save").symlink_to(tmp_path)

    with pytest.raises(PlanError, match="leaves the workspace"):
        state_path(tmp_path / "w", "save/x.safetensors")
