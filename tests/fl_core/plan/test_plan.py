"""Loading, typing and freezing a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fl_core.collaborator.settings import OptTreatment
from fl_core.errors import PlanError
from fl_core.plan.freeze import plan_hash
from fl_core.plan.loader import load_plan, parse_plan
from fl_core.plan.template import resolve

PLAN = """
aggregator:
  defaults: plan/defaults/aggregator.yaml
  settings: {rounds_to_train: 3, best_metric: acc}
collaborator:
  defaults: plan/defaults/collaborator.yaml
  settings: {opt_treatment: CONTINUE_GLOBAL}
tasks:
  defaults: plan/defaults/tasks.yaml
  train: {function: train, kwargs: {epochs: 2}}
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    (tmp_path / "plan").mkdir()
    path = tmp_path / "plan" / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_a_section_is_merged_over_its_defaults(plan_file: Path) -> None:
    plan = load_plan(plan_file)

    assert plan.aggregator.settings.rounds_to_train == 3
    assert plan.aggregator.settings.db_store_rounds == 2
    assert plan.aggregator.template == "fl_core.aggregator.service.Aggregator"
    assert plan.collaborator.settings.opt_treatment is OptTreatment.CONTINUE_GLOBAL
    assert set(plan.tasks.entries) == {
        "aggregated_model_validation",
        "train",
        "locally_tuned_model_validation",
    }
    settings = plan.collaborator_settings(seed=9)
    assert settings.tasks["train"].settings == {"epochs": 2}
    assert settings.tasks["locally_tuned_model_validation"].apply == "local"


def test_the_workspaces_defaults_go_before_the_installed_ones(plan_file: Path) -> None:
    defaults = plan_file.parent / "defaults"
    defaults.mkdir()
    (defaults / "aggregator.yaml").write_text("settings: {db_store_rounds: 7}")

    assert load_plan(plan_file).aggregator.settings.db_store_rounds == 7


def test_overrides_by_dotted_key(plan_file: Path) -> None:
    plan = load_plan(plan_file, {"aggregator.settings.rounds_to_train": 11})

    assert plan.aggregator.settings.rounds_to_train == 11


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("aggregatr: {}", ["aggregatr", "did you mean aggregator?", "plan.yaml"]),
        (
            "aggregator: {settings: {rounds_to_trian: 3}}",
            ["rounds_to_trian", "did you mean rounds_to_train?"],
        ),
        ("aggregator: {settings: {rounds_to_train: 0}}", ["aggregator.settings.rounds_to_train"]),
        ("aggregator: {settings: {rounds_to_train: many}}", ["rounds_to_train", "integer"]),
        ("aggregator: {defaults: plan/defaults/nowhere.yaml}", ["nowhere.yaml", "aggregator.yaml"]),
        ("aggregator: {defaults: ../../secret.yaml}", ["leaves the workspace"]),
        ("tasks: {train: {function: dance}}", ["tasks", "train"]),
        ("[1, 2]", ["mapping of sections"]),
        ("a: [", ["cannot be read as YAML"]),
    ],
)
def test_errors_name_the_key_and_the_file(tmp_path: Path, change: str, words: list[str]) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(change)

    with pytest.raises(PlanError) as caught:
        load_plan(path)
    for word in words:
        assert word in str(caught.value)


def test_templates_are_resolved_or_named_with_the_nearest() -> None:
    assert resolve("fl_core.errors.PlanError") is PlanError
    with pytest.raises(PlanError, match=r"did you mean fl_core\.errors\.PlanError\?"):
        resolve("fl_core.errors.PlanEror")
    with pytest.raises(PlanError, match=r"no module named 'fl_core\.nowhere'"):
        resolve("fl_core.nowhere:x")
    with pytest.raises(PlanError, match="no dotted path"):
        resolve("nothing")


def test_the_hash_changes_with_plan_code_and_weights_and_with_nothing_else() -> None:
    raw: dict[str, Any] = {"aggregator": {"settings": {"rounds_to_train": 3}}}
    code = {"src/model.py": b"x = 1", "src/data.py": b"y = 2"}
    one = plan_hash(parse_plan(raw), code, "sha256:00")

    assert one == plan_hash(parse_plan(raw), dict(reversed(code.items())), "sha256:00")
    others = {
        plan_hash(parse_plan({}), code, "sha256:00"),
        plan_hash(parse_plan(raw), {**code, "src/data.py": b"y = 3"}, "sha256:00"),
        plan_hash(parse_plan(raw), {"src/model.py": b"x = 1", "src/date.py": b"y = 2"}, "sha256:00"),
        plan_hash(parse_plan(raw), code, "sha256:01"),
    }
    assert len(others) == 4 and one not in others


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"agg_port": 0}, "agg_port"),
        ({"agg_port": 70000}, "agg_port"),
        ({"agg_port": "any"}, "agg_port"),
        ({"agg_addr": ""}, "agg_addr"),
        ({"agg_adr": "x"}, "did you mean agg_addr?"),
        ({"tls": "perhaps"}, "tls"),
    ],
)
def test_the_section_network_is_typed(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan({"network": {"settings": settings}}, "p.yaml")
    assert "p.yaml: network.settings" in str(caught.value) and told in str(caught.value)


def test_a_site_shares_nothing_beside_its_update_unless_the_plan_says_so() -> None:
    closed = parse_plan({}).collaborator.settings
    opened = parse_plan({"collaborator": {"settings": {"shares_rows": True, "shares_local_state": True}}})

    assert not closed.shares_rows and not closed.shares_local_state
    assert opened.collaborator.settings.shares_rows and opened.collaborator.settings.shares_local_state
