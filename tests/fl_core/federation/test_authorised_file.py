"""The authorised list of a running aggregator, and the terms of a plan."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fl_core.collaborator.settings import OptTreatment
from fl_core.errors import InputError
from fl_core.federation.agreement import terms_of
from fl_core.federation.authorised_file import AuthorisedFile
from fl_core.plan.loader import parse_plan


def test_a_name_added_meanwhile_counts(tmp_path: Path) -> None:
    path = tmp_path / "cols.yaml"
    names = AuthorisedFile(path)
    assert names() == {}

    path.write_text("collaborators: [one]\n")
    assert names() == {"one": None}
    path.write_text("collaborators: [one, {name: two, max_samples: 500}]\n")
    assert names() == {"one": None, "two": 500} and "two" in names()
    path.unlink()
    assert names() == {}


def test_a_broken_file_changes_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cols.yaml"
    path.write_text("collaborators: [one]\n")
    names = AuthorisedFile(path)
    path.write_text("collaborators: one two\n")
    with caplog.at_level(logging.ERROR):
        assert names() == {"one": None} and names() == {"one": None}
    assert caplog.text.count("the 1 names read before still hold") == 1
    with pytest.raises(InputError, match="must be a list of names"):
        AuthorisedFile(path)

    path.write_text("collaborators: [three]\n")
    assert names() == {"three": None}


def test_a_plan_s_terms() -> None:
    plan = parse_plan(
        {
            "aggregator": {
                "settings": {
                    "rounds_to_train": 7,
                    "seed": 3,
                    "min_updates": 2,
                    "best_metric": "loss",
                    "best_direction": "lower",
                    "db_store_rounds": 4,
                }
            },
            "collaborator": {"settings": {"delta_updates": True, "opt_treatment": "CONTINUE_LOCAL"}},
            "tasks": {"train": {"function": "train"}, "check": {"function": "validate"}},
            "straggler_policy": {
                "template": "fl_core.straggler.percentage.Percentage",
                "settings": {"share": 0.5, "minimum": 1},
            },
            "compression_pipeline": {"template": "fl_core.compression.fp16.Float16"},
        }
    )

    terms = terms_of(plan, "sha256:1")

    assert (terms.plan_hash, terms.rounds, terms.min_updates) == ("sha256:1", 7, 2)
    assert (terms.best_metric, terms.best_direction, terms.db_store_rounds) == ("loss", "lower", 4)
    assert terms.collaborator.opt_treatment is OptTreatment.CONTINUE_LOCAL and terms.collaborator.seed == 3
    assert terms.collaborator.delta_updates and terms.exchange.delta_updates and terms.exchange.seed == 3
    assert terms.exchange.upload.name == "fp16" and terms.exchange.download.name == "none"
    assert type(terms.straggler).__name__ == "Percentage"
    assert terms.tasks_of(0, ("a", "b")) == {"a": ("train", "check"), "b": ("train", "check")}
