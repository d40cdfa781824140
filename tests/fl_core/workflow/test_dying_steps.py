"""A party that is killed at every kind of step that it does to its files.

A process dies at the first kind of step, the next one at the second and so on, in one and the same
federation: each goes on where the one before was killed, so deaths add up.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dying_fx import kind_of
from fx_federation import AGGREGATOR, edit_plan, models, parties, rows, without_times
from workspaces import Federation

ROUNDS = 6
NEVER = 1 << 30
DURABLE = ("write ", "sync ", "os.rename ", "os.link ")


def _plan(plan: dict[str, Any]) -> None:
    """Top-k with error feedback: what a site keeps between rounds changes the model's bytes."""
    plan["aggregator"]["settings"].update(rounds_to_train=ROUNDS, db_store_rounds=1)
    plan["collaborator"]["settings"] = {"opt_treatment": "CONTINUE_LOCAL"}
    plan["compression_pipeline"] = {
        "template": "fl_core.compression.top_k.TopK",
        "settings": {"dim_threshold": 1, "p_sparsity": 0.5},
    }


@dataclass(frozen=True)
class Outcome:
    """What two equal federations have in common."""

    models: dict[str, bytes]
    rounds: list[dict[str, str]]
    sites: list[dict[str, str]]

    @classmethod
    def of(cls, federation: Federation) -> Outcome:
        return cls(models(federation), rows(federation), without_times(rows(federation, "sites")))


@dataclass(frozen=True)
class Undisturbed:
    """A federation that has not begun, what it comes to where nobody dies, and what steps there are."""

    federation: Federation
    outcome: Outcome
    kinds: dict[str, list[str]]


@pytest.fixture(scope="module")
def undisturbed(enrolled: Federation, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    federation = enrolled.copy(folder / "f")
    edit_plan(federation, _plan)
    ran = federation.copy(folder / "ran")
    with parties(ran) as found:
        lists = {party: found.start_dying(party, NEVER) for party in (AGGREGATOR, "one")}
        found.start("two")
        found.end_well()
    kinds = {
        party: list(dict.fromkeys(kind_of(step) for step in listed.read_text().splitlines()))
        for party, listed in lists.items()
    }
    return Undisturbed(federation, Outcome.of(ran), kinds)


def _dies_at_each(undisturbed: Undisturbed, folder: Path, party: str, kinds: list[str], tear: bool) -> None:
    """Kill a party at each kind of step; those of a beginning come up in a new federation only."""
    waiting, copies = list(kinds), 0
    while waiting:
        federation, died = undisturbed.federation.copy(folder / str(copies)), 0
        with parties(federation) as found:
            found.start(*({AGGREGATOR, "one", "two"} - {party}))
            while waiting:
                found.start_dying(party, 0, waiting[0], tear)
                code = found.processes[party].end(90)
                if code == 0:
                    break
                assert code == -signal.SIGKILL, found.text(party)
                waiting.pop(0)
                died += 1
            else:
                found.start(party)
            found.end_well()
        assert Outcome.of(federation) == undisturbed.outcome, kinds
        assert died, f"in a whole federation there was no {waiting[0]}"
        copies += 1


@pytest.mark.slow
def test_the_steps_are_those_that_matter(undisturbed: Undisturbed) -> None:
    """Else a lost state, or a step that is not seen, would not show in the tests below."""
    assert [row["status"] for row in undisturbed.outcome.rounds] == ["ok"] * ROUNDS + ["validation"]
    assert undisturbed.outcome.rounds[-1]["best_score"] != str(float(ROUNDS)), "the codec loses something"
    assert {
        "sync state/model-N.safetensors",
        "os.rename state/state.json",
        "os.rename state/journal-N.jsonl",
        "write state/journal-N.jsonl",
        "sync state/journal-N.jsonl",
        "os.rename logs/rounds.csv",
        "write logs/rounds.csv",
        "os.rename save/last.safetensors",
        "os.rename save/best.safetensors",
        "os.link state/arrived/N/one/N.N",
    } <= set(undisturbed.kinds[AGGREGATOR])
    assert {
        "os.rename state/col_one/site.json",
        "os.rename state/col_one/result-N.json",
        "os.rename state/col_one/local.json",
        "open state/col_one/update-N.safetensors",
        "os.rename state/col_one/state-N.safetensors",
    } <= set(undisturbed.kinds["one"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("party", [AGGREGATOR, "one"])
def test_a_death_at_every_kind_of_durable_write_changes_no_byte(
    undisturbed: Undisturbed, tmp_path: Path, party: str
) -> None:
    kinds = [kind for kind in undisturbed.kinds[party] if kind.startswith(DURABLE) and "two" not in kind]
    assert len(kinds) >= 10
    _dies_at_each(undisturbed, tmp_path, party, kinds, tear=True)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("party", [AGGREGATOR, "one"])
def test_a_death_at_every_kind_of_step_changes_no_byte(
    undisturbed: Undisturbed, tmp_path: Path, party: str
) -> None:
    _dies_at_each(undisturbed, tmp_path, party, undisturbed.kinds[party], tear=False)
