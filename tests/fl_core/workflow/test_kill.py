"""``kill -9`` of either side at seeded random moments, and in every phase of a round of a larger model."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fx_federation import (
    AGGREGATOR,
    Parties,
    edit_plan,
    models,
    only,
    parties,
    reweigh,
    rows,
    run,
    wait_until,
    without_times,
)
from workspaces import Federation

PAUSE_S = 0.2
LINGER_S = 20.0
RESTART_S = 3.0


def _plan(values: int, rounds: int, pause_s: float) -> Callable[[dict[str, Any]], None]:
    """Top-k with error feedback: what a site keeps between rounds changes the model's bytes."""

    def change(plan: dict[str, Any]) -> None:
        plan["aggregator"]["settings"]["rounds_to_train"] = rounds
        plan["collaborator"]["settings"] = {"opt_treatment": "CONTINUE_LOCAL", "delta_updates": True}
        plan["task_runner"]["settings"].update(shapes={"weight": [values], "bias": [7]}, pause_s=pause_s)
        plan["compression_pipeline"] = {
            "template": "fl_core.compression.top_k.TopK",
            "settings": {"dim_threshold": 1, "p_sparsity": 0.7},
        }

    return change


@dataclass(frozen=True)
class Base:
    """A federation that has not begun, and what it comes to where nobody is killed."""

    federation: Federation
    models: dict[str, bytes]
    rounds: list[dict[str, str]]
    sites: list[dict[str, str]]

    @classmethod
    def of(cls, enrolled: Federation, folder: Path, change: Callable[[dict[str, Any]], None]) -> Base:
        federation = enrolled.copy(folder / "f")
        edit_plan(federation, change)
        reweigh(federation)
        ran = federation.copy(folder / "ran")
        run(ran)
        return cls(federation, *_outcome(ran))

    def see_equal(self, federation: Federation) -> None:
        """See that a federation came to the same."""
        assert _outcome(federation) == (self.models, self.rounds, self.sites)


def _outcome(federation: Federation) -> tuple[dict[str, bytes], list[dict[str, str]], list[dict[str, str]]]:
    return models(federation), rows(federation), without_times(rows(federation, "sites"))


def _kill_at_random(base: Base, folder: Path, seed: int, a_side: int) -> int:
    """Kill each side so often, at moments of its whole life; return how many federations that took."""
    rng = np.random.default_rng(seed)
    order = rng.permutation([AGGREGATOR, "one"] * a_side)
    kills = [(str(party), float(rng.uniform(0.05, 3.0))) for party in order]
    count = 0
    while kills:
        federation = base.federation.copy(folder / str(count))
        with parties(federation, LINGER_S) as found:
            found.start()
            while kills:
                party, after_s = kills[0]
                if not _killed(found, party, after_s):
                    break
                del kills[0]
                found.start(party)
            found.end_well()
        base.see_equal(federation)
        count += 1
    return count


def _killed(found: Parties, party: str, after_s: float) -> bool:
    """Kill a party after some seconds; return false where it ended by itself before."""
    try:
        code = found.processes[party].popen.wait(after_s)
    except subprocess.TimeoutExpired:
        found.kill(party)
        return True
    assert code == 0, found.text(party)
    return False


@pytest.fixture(scope="module")
def base(enrolled: Federation, tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("kill")
    made = Base.of(enrolled, folder, _plan(300_000, 8, PAUSE_S))
    assert [row["status"] for row in made.rounds] == ["ok"] * 8 + ["validation"]
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_kills_a_side_at_random_moments_change_no_byte(base: Base, tmp_path: Path) -> None:
    _kill_at_random(base, tmp_path, seed=1, a_side=10)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [2])
def test_fifty_kills_a_side_at_random_moments_change_no_byte(base: Base, tmp_path: Path, seed: int) -> None:
    _kill_at_random(base, tmp_path, seed, a_side=50)


def _began(found: Parties, round: int) -> bool:
    return f"round {round} (of" in found.text(AGGREGATOR)


def _uploading(found: Parties, round: int) -> bool:
    spool = found.federation.aggregator / "state" / "spool" / "one"
    sizes = [path.stat().st_size for path in spool.glob("*.part") if path.exists()]
    return any(sizes)


def _downloading(found: Parties, round: int) -> bool:
    return f"round {round}: aggregated_model_validation" in found.text("one")


def _aggregating(found: Parties, round: int) -> bool:
    state = found.federation.aggregator / "state"
    return (state / f".model-{round + 1}.safetensors.tmp").exists() or _made(found, round)


def _made(found: Parties, round: int) -> bool:
    return (found.federation.aggregator / "state" / f"model-{round + 1}.safetensors").exists()


def _saving(found: Parties, round: int) -> bool:
    save = found.federation.aggregator / "save"
    return (save / ".last.safetensors.tmp").exists() or f"round {round}: ok" in found.text(AGGREGATOR)


WINDOWS = (_downloading, _uploading, _aggregating, _made, _saving)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("party", [AGGREGATOR, "one"])
def test_a_kill_in_every_phase_of_a_round_changes_no_byte(
    enrolled: Federation, tmp_path: Path, party: str
) -> None:
    """A model of 24 MB, so that each phase lasts long enough to be met."""
    base = Base.of(enrolled, tmp_path / "base", _plan(6_000_000, len(WINDOWS) + 1, PAUSE_S))
    federation = base.federation.copy(tmp_path / "f")
    with parties(federation, LINGER_S) as found:
        found.start()
        for round, window in enumerate(WINDOWS):
            wait_until(f"round {round}", partial(_began, found, round), every_s=0.001)
            wait_until(window.__name__, partial(window, found, round), every_s=0.001)
            found.kill(party)
            found.start(party)
        found.end_well()

    base.see_equal(federation)


@pytest.mark.slow
def test_a_restarted_side_is_at_work_within_three_seconds(two: Federation) -> None:
    """From the aggregator's `listening` to the site's return, and from the site's call to its connection."""
    edit_plan(two, lambda plan: plan["aggregator"]["settings"].update(rounds_to_train=100))
    federation = only(two.changed(pause_s=0.5), "one")
    aggregators, sites = [], []
    with parties(federation) as found:
        found.start()
        for n in range(1, 6):
            wait_until("work", partial(_said, found, "one", "begins", n))
            returned = found.text(AGGREGATOR).count("one: connected") + 1
            _restart(found, AGGREGATOR, "listening on")
            aggregators.append(
                wait_until("return", partial(_said, found, AGGREGATOR, "one: connected", returned))
            )
            connected = found.text("one").count("connected as") + 1
            _restart(found, "one", "connecting to")
            sites.append(wait_until("connection", partial(_said, found, "one", "connected as", connected)))

    assert min(aggregators) <= RESTART_S, aggregators
    assert min(sites) <= RESTART_S, sites


def _restart(found: Parties, party: str, until: str) -> None:
    """Kill a party and start it again, until it says something that every start says."""
    found.kill(party)
    times = found.text(party).count(until) + 1
    found.start(party)
    found.processes[party].wait_for(until, times)


def _said(found: Parties, party: str, words: str, times: int) -> bool:
    return found.text(party).count(words) >= times
