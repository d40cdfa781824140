"""Sites that release ranks instead of case values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, tables, without_cells

from leaderboard.cases import CaseTable, read_cases
from leaderboard.errors import TableError
from leaderboard.ranking.base import Cells, Scheme
from leaderboard.ranking.draws import leave_one_site_out, two_level
from leaderboard.ranking.registry import PUBLISHED, Options, make_scheme
from leaderboard.ranking.summarise import FETS2022_RULES, summarise_site
from leaderboard.site_summary import RankRules, read_summary, summary_json

FEW = settings(max_examples=15, deadline=None)
BY_RANKS = (*PUBLISHED, "rank-then-mean", "rank-then-median")
RULES = (*FETS2022_RULES, RankRules("average", "penalty", "as-scored"))


def scheme(name: str, cells: Cells) -> Scheme:
    if name in PUBLISHED:
        return make_scheme(name, Options(cells))
    return make_scheme(name, Options(cells, "average", "penalty", "as-scored"))


def with_summaries(table: CaseTable, sites: tuple[str, ...]) -> CaseTable:
    rest = [site for site in table.sites if site not in sites]
    summaries = tuple(summarise_site(table, site, RULES) for site in sites)
    if rest:
        return replace(table.of_sites(rest), summaries=summaries)
    empty = array_table(np.zeros((len(table.submissions), 0, len(table.metrics))), [])
    return replace(empty, summaries=summaries)


@pytest.mark.parametrize("cells", ["worst-rank", "pairwise"])
@pytest.mark.parametrize("name", BY_RANKS)
@FEW
@given(table=tables(), seed=st.integers(0, 99))
def test_summaries_give_the_same_answer_as_case_values(
    name: str, cells: Cells, table: CaseTable, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gone = rng.random(table.evaluated.shape) < 0.2
    gone[0] = False
    if name == "fets2022-task1" and cells == "pairwise":
        gone[:] = False
    # Whether an all-missing submission has a value at all, a summary does not tell.
    table = without_cells(replace(table, values=np.nan_to_num(table.values, nan=0.125)), gone)
    speed = {m: 0.5 for m in table.submissions}
    summed = with_summaries(table, table.sites[: rng.integers(1, len(table.sites) + 1)])

    one, other = scheme(name, cells).rank(table, speed), scheme(name, cells).rank(summed, speed)

    np.testing.assert_allclose(other.scores, one.scores, rtol=0, atol=1e-12)
    assert other.ranks.tolist() == one.ranks.tolist()
    if len(table.sites) > 1:
        left = scheme(name, cells).rank_draws(summed, speed, leave_one_site_out(summed))
        assert left.scores.shape == (len(summed.sites), len(table.submissions))


def test_a_site_with_a_summary_is_drawn_as_a_whole() -> None:
    table = array_table(np.random.default_rng(0).integers(0, 5, (3, 6, 2)) / 4, [3, 3])
    summed = with_summaries(table, ("s001",))

    draws = two_level(summed, 50, np.random.default_rng(0))
    found = scheme("fets2022-task2-py", "refuse").rank_draws(summed, None, draws)

    only = [b for b in range(50) if (draws.owners[1] == b).sum() == 2]
    alone = scheme("fets2022-task2-py", "refuse").rank(table.of_sites(["s001"]), None)
    assert only
    assert all(found.scores[b].tolist() == alone.scores.tolist() for b in only)


def test_a_summary_survives_its_file_and_its_file_is_read_with_cases(tmp_path: Path) -> None:
    table = array_table(np.random.default_rng(1).integers(0, 5, (3, 6, 2)) / 4, [3, 3])
    summary = summarise_site(table, "s001", RULES)
    path = tmp_path / "s001.json"
    path.write_bytes(summary_json(summary))
    csv = tmp_path / "cases.csv"
    lines = ["submission,seed,site,case,status,dice_wt,hd95_wt"]
    for i, name in enumerate(table.submissions):
        for j in range(3):
            lines.append(f"{name},0,s000,c{j:04d},ok,{table.values[i, j, 0]},{table.values[i, j, 1]}")
    csv.write_text("\n".join(lines))

    again = read_summary(path)
    read = read_cases([csv], metrics=["dice_wt", "hd95_wt"], summaries=[path])

    assert summary_json(again) == path.read_bytes()
    assert read.sites == ("s000", "s001")
    assert read.case_counts.tolist() == [3, 3]
    one = scheme("fets2022-task2-r", "refuse").rank(table, None)
    assert scheme("fets2022-task2-r", "refuse").rank(read, None).scores.tolist() == one.scores.tolist()
    only = read_cases([], metrics=["dice_wt", "hd95_wt"], summaries=[path])
    assert only.sites == ("s001",)


def test_a_summary_holds_no_case_value_and_no_case_name() -> None:
    table = array_table(np.full((2, 3, 2), 0.123456), [3])

    text = summary_json(summarise_site(table, "s000", RULES)).decode()

    assert "0.123456" not in text and "c0000" not in text


@pytest.mark.parametrize("name", ["aggregate-then-mean", "aggregate-then-median", "test-based"])
def test_schemes_that_need_values_refuse_a_summary(name: str) -> None:
    summed = with_summaries(array_table(np.zeros((2, 2, 2)), [1, 1]), ("s001",))

    with pytest.raises(TableError, match="s001 gave a summary"):
        scheme(name, "refuse").rank(summed, None)


def test_a_summary_under_other_rules_or_of_other_submissions_is_refused() -> None:
    table = array_table(np.zeros((3, 2, 2)), [1, 1])
    summed = with_summaries(table, ("s001",))

    with pytest.raises(
        TableError, match=r"no ranks under the rules ties min, missing penalty, penalised as-m"
    ):
        make_scheme("rank-then-mean", Options("refuse", "min", "penalty", "as-missing")).rank(summed, None)
    with pytest.raises(TableError, match="ranked m02 too"):
        summed.of_submissions(["m00", "m01"])


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"schema": "site-summary/2"}, "schema"),
    ({"cases": 0}, "cases"),
    ({"cases": "3"}, "cases"),
    ({"extra": 1}, "extra"),
    ({"submissions": ["a", "a"]}, "names one twice"),
    ({"submissions": ["a", "b", "c"]}, "one column for each of the 3"),
    ({"penalised": [0.0]}, "one column"),
    ({"penalised": [0.0, 1.5]}, "penalised"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_broken_summary_is_refused_with_its_file(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    table = array_table(np.zeros((2, 2, 2)), [2])
    content = json.loads(summary_json(summarise_site(table, "s000", RULES)))
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content | change))

    with pytest.raises(TableError, match=message) as error:
        read_summary(path)
    assert str(path) in str(error.value)


def test_ranks_that_cannot_be_are_refused(tmp_path: Path) -> None:
    content = json.loads(summary_json(summarise_site(array_table(np.zeros((2, 2, 2)), [2]), "s000", RULES)))
    content["ranks"][0]["mean"][0][0] = 2.5
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))

    with pytest.raises(TableError, match="ranks from 1 to 2"):
        read_summary(path)
    path.write_text("{")
    with pytest.raises(TableError, match="no site-summary/1"):
        read_summary(path)
    with pytest.raises(TableError, match="cannot be read"):
        read_summary(tmp_path / "none.json")
