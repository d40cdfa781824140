import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from challenge.figures.errors import FigureError
from challenge.figures.write import write_figures
from fl_core.durable import Disk

DICE = ["dice_wt", "dice_tc", "dice_et"]
ROUNDS = [
    "round",
    "status",
    "simulated_time_s",
    "round_time_s",
    "round_score",
    *DICE,
    "best_score",
    "convergence_score",
]
CASES = ["submission", "seed", "site", "case", "status", *DICE]
NAMES = ["learning_curves.svg", "timeline.svg", "dice_per_institution.svg"]


def table(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def make_run(folder: Path, rounds: int = 3, sites: int = 3, cases: int = 6) -> list[dict[str, Any]]:
    """Write the tables of a run; return its segments."""
    folder.mkdir(exist_ok=True)
    rows = [
        [
            r,
            "ok",
            100.0 * min(r + 1, rounds),
            100.0 * (r < rounds),
            0.1 * r,
            0.2,
            "",
            "nan",
            0.1 * r,
            0.05 * r,
        ]
        for r in range(rounds + 1)
    ]
    table(folder / "rounds.csv", ROUNDS, rows)
    table(folder / "sites.csv", ["round", "site"], [[0, f"{s}"] for s in range(sites)])
    table(
        folder / "cases.csv",
        CASES,
        [
            ["fedavg", 1, f"{s}", f"c{c}", "ok" if c else "crashed", 0.1 * c, 0.5, 0.5]
            for s in range(sites)
            for c in range(cases)
        ],
    )
    return [
        {"site": f"{s}", "round": r, "kind": kind, "start_s": 100.0 * r + at, "end_s": 100.0 * r + at + 20}
        for r in range(rounds)
        for s in range(sites)
        for at, kind in ((0, "download"), (20, "validate"), (40, "train"), (60, "upload"))
    ]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("drawn") / "run"
    segments = make_run(folder)
    write_figures(folder, segments, [{"site": "1", "start_s": 5.0, "end_s": float("inf")}], Disk(), 400.0)
    yield folder


def test_three_pictures_are_written(drawn: Path) -> None:
    assert sorted(path.name for path in (drawn / "figures").iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert ElementTree.parse(drawn / "figures" / name).getroot().tag.endswith("svg")


def test_the_same_tables_give_the_same_bytes_without_a_date(drawn: Path, tmp_path: Path) -> None:
    import matplotlib

    segments = make_run(tmp_path / "run")
    with matplotlib.rc_context({"font.size": 30.0, "svg.hashsalt": "other", "axes.facecolor": "red"}):
        outages = [{"site": "1", "start_s": 5.0, "end_s": float("inf")}]
        paths = write_figures(tmp_path / "run", list(reversed(segments)), outages, Disk(), 400.0)
        assert matplotlib.rcParams["font.size"] == 30.0  # and the caller's settings are as before
    assert [path.name for path in paths] == NAMES
    for path in paths:
        assert path.read_bytes() == (drawn / "figures" / path.name).read_bytes()
        assert b"<dc:date>" not in path.read_bytes()


def test_other_tables_give_other_pictures(drawn: Path, tmp_path: Path) -> None:
    segments = make_run(tmp_path / "run", rounds=2, cases=5)
    for path in write_figures(tmp_path / "run", segments, [], Disk(), 400.0):
        assert path.read_bytes() != (drawn / "figures" / path.name).read_bytes()


def texts(path: Path) -> list[str]:
    """What a picture says: matplotlib notes every text beside the shapes of its letters."""
    return [text.strip() for text in re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))]


def test_titles_axes_and_legends_say_what_is_drawn(drawn: Path) -> None:
    curves, timeline, dice = (texts(drawn / "figures" / name) for name in NAMES)
    assert "Learning curves, 3 rounds: convergence score 0.1500" in curves
    assert "simulated time (minutes)" in curves
    assert "best: 0.3000 (round 3)" in curves
    assert "horizon (6.667 minutes)" in curves
    assert "Dice, whole tumour (WT)" in curves
    assert "Dice, tumour core (TC)" not in curves  # all its cells are empty
    assert "What each site did when (3 sites)" in timeline
    assert {"download", "validation", "training", "upload", "network down", "end of a round"} <= set(timeline)
    assert "waiting for the network" not in timeline
    assert "Dice of the best model on hidden test cases (18 cases, 3 institutions)" in dice
    assert {"0 (6)", "1 (6)", "2 (6)", "failed case (scored 0)"} <= set(dice)


def test_one_round_and_no_test_case(tmp_path: Path) -> None:
    segments = make_run(tmp_path / "run", rounds=1, sites=1, cases=0)
    curves, timeline, dice = (texts(path) for path in write_figures(tmp_path / "run", segments, [], Disk()))
    assert "Learning curves, 1 round: convergence score 0.0500" in curves
    assert "What each site did when (1 site)" in timeline
    assert dice.count("no test cases") == 3


def test_no_tables_at_all(tmp_path: Path) -> None:
    curves, timeline, dice = (texts(path) for path in write_figures(tmp_path, [], [], Disk(), 600.0))
    assert "no round was scored" in curves
    assert "no site did anything" in timeline
    assert dice.count("no test cases") == 3


def test_33_sites_in_natural_order(tmp_path: Path) -> None:
    segments = make_run(tmp_path / "run", rounds=1, sites=33, cases=1)
    _, timeline, _ = (texts(path) for path in write_figures(tmp_path / "run", segments, [], Disk()))
    ticks = [text for text in timeline if text.isdecimal()]
    assert ticks[-33:] == [str(number) for number in range(33)]


def test_names_that_would_be_read_as_formulas(tmp_path: Path) -> None:
    segments = [{"site": "$x_{$", "round": 0, "kind": "cooling & <rest>", "start_s": 0.0, "end_s": 9.0}]
    table(tmp_path / "cases.csv", CASES, [["s", 1, "a$b$" + "long" * 9, "c", "ok", 0.5, 0.5, 0.5]])
    for path in write_figures(tmp_path, segments, [], Disk()):
        ElementTree.parse(path)


def test_a_cell_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    table(tmp_path / "rounds.csv", ROUNDS, [[0, "ok", 1, 1, "high", 0, 0, 0, 0, 0]])
    with pytest.raises(FigureError, match="column round_score: 'high' is not a number"):
        write_figures(tmp_path, [], [], Disk())
