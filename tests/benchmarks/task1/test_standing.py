"""What the outcomes of a seed say, and how the tables say it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.task1.__main__ import main
from benchmarks.task1.runs import Outcome
from benchmarks.task1.standing import Standing, measurements, standing
from benchmarks.task1.tables import page, seed_table, summary_table

DIGESTS = {"data": "sha256:" + "d" * 64, "split": "sha256:" + "5" * 64, "model": "sha256:" + "a" * 64}


def outcome(rival: str, score: float, seed: int = 11) -> Outcome:
    """Return an outcome of that score."""
    dice = {"wt": score + 0.1, "tc": score, "et": score - 0.1}
    return Outcome(rival, seed, dice, score, 10, 5400.0, 90.0, DIGESTS)


def example(seed: int = 11, fedavg: float = 0.75) -> Standing:
    """Return a standing with three institutions."""
    alone = [outcome(f"local-{name}", score, seed) for name, score in (("1", 0.6), ("2", 0.3), ("3", 0.5))]
    return standing([outcome("fedavg", fedavg, seed), outcome("pooled", 0.80, seed), *alone])


def test_margins_are_differences_of_scores() -> None:
    found = example()

    assert found.median_local == 0.5
    assert found.below_pooled == pytest.approx(0.05) and found.above_local == pytest.approx(0.25)
    assert found.holds and found.reaches_targets


@pytest.mark.parametrize(
    ("fedavg", "holds"), [(0.80, True), (0.81, False), (0.50, False), (0.51, True), (float("nan"), False)]
)
def test_fedavg_lies_between_pooled_and_local(fedavg: float, holds: bool) -> None:
    assert example(fedavg=fedavg).holds is holds


def test_every_region_has_to_reach_its_target() -> None:
    found = example()
    for region, value in (("wt", 0.819), ("tc", 0.699), ("et", 0.649)):
        dice = {**found.fedavg.dice, region: value}
        assert not replace(found, fedavg=replace(found.fedavg, dice=dice)).reaches_targets


def test_a_standing_needs_all_rivals() -> None:
    with pytest.raises(ValueError, match="needs fedavg, pooled and local"):
        standing([outcome("fedavg", 0.7), outcome("pooled", 0.8)])


def test_the_report_has_medians_and_the_worst_seed() -> None:
    seeds = [example(11, 0.70), example(12, 0.78), example(13, 0.76)]
    cases = {case.case: case for case in measurements(seeds, against_targets=True)}

    assert cases["fedavg-over-pooled"].value == 0.76
    assert cases["fedavg-over-pooled"].ratio == pytest.approx(0.76 / 0.80)
    assert cases["fedavg-over-local"].reference_value == 0.5
    assert cases["dice-wt"].value == pytest.approx(0.80) and cases["dice-wt"].reference_value == 0.82
    assert cases["wall"].ratio == 0.5
    assert cases["peer-local-seed-12"].value == 0.78
    plain = {case.case for case in measurements(seeds, against_targets=False)}
    assert set(cases) - plain == {"dice-wt", "dice-tc", "dice-et", "wall"}


def test_the_tables_show_every_rival_and_the_margins() -> None:
    lines = seed_table(example()).splitlines()

    assert lines[4] == "| fedavg | 0.850 | 0.750 | 0.650 | 0.750 | 5400 | 90 | `aaaaaaaaaaaa` |"
    assert lines[9] == "| median local | 0.600 | 0.500 | 0.400 | 0.500 |  |  |  |"
    assert lines[-1] == "Pooled - FedAvg +0.050; FedAvg - median local +0.250."
    summary = summary_table([example(), example(12, 0.9)], True).splitlines()
    assert summary[-2] == "| 11 | 0.800 | 0.750 | 0.500 | +0.050 | +0.250 | yes | yes |"
    assert summary[-1] == "| 12 | 0.800 | 0.900 | 0.500 | -0.100 | +0.400 | NO | yes |"


def test_the_page_names_command_seeds_and_digests() -> None:
    machine = {"processor": "P", "cores": 2, "system": "S", "python": "3", "libraries": {}}
    text = page([example(), example(12)], "python -m benchmarks.task1 --seeds 11,12", machine, True)

    assert "- command: `python -m benchmarks.task1 --seeds 11,12`\n" in text
    assert "- seeds: 11, 12\n" in text and f"- data: `{DIGESTS['data']}`\n" in text
    assert text.count("| fedavg |") == 2


@pytest.mark.parametrize("wrong", ["a", "1,1", "-1", ""])
def test_seeds_that_are_none_are_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--seeds={wrong}"])

    assert ended.value.code == 2 and "--seeds" in capsys.readouterr().err
