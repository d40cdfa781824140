import math
from pathlib import Path

import pytest

from partitions.errors import DataError
from partitions.split import InstitutionSplit, Split
from partitions.summary import bar, plot_summary, summarise

SPLIT = Split(
    institutions={
        "10": InstitutionSplit(("a", "b"), ("c",), ("d",)),
        "2": InstitutionSplit(("e",), ("f",), ()),
    },
    hidden=(),
    source="test",
)
VOLUMES = {"a": 40.0, "b": 10.0, "c": 20.0, "d": 30.0, "e": 5.0, "f": 6.0}


def test_counts_and_quantiles_by_institution() -> None:
    two, ten = summarise(SPLIT, VOLUMES)
    assert (two.name, two.train, two.validate, two.test, two.cases) == ("2", 1, 1, 0, 2)
    assert (ten.name, ten.train, ten.validate, ten.test, ten.cases) == ("10", 2, 1, 1, 4)
    assert ten.volumes == (10.0, 20.0, 30.0, 40.0)
    assert (ten.quantile(0), ten.quantile(0.5), ten.quantile(1)) == (10.0, 25.0, 40.0)


def test_unknown_volumes_are_nan() -> None:
    assert math.isnan(summarise(SPLIT)[0].quantile(0.5))


def test_bars_are_in_proportion() -> None:
    assert [len(bar(value, 10, width=20)) for value in (0, 1, 5, 10)] == [0, 2, 10, 20]
    assert len(bar(1, 1000, width=20)) == 1


def test_the_figure_is_an_svg_with_the_same_bytes(tmp_path: Path) -> None:
    summaries = summarise(SPLIT, VOLUMES)
    plot_summary(summaries, tmp_path / "a.svg", "a title")
    plot_summary(summaries, tmp_path / "b.svg", "a title")
    text = (tmp_path / "a.svg").read_text()
    assert "<svg" in text and "a title" in text and "whole tumour (ml)" in text
    assert (tmp_path / "b.svg").read_text() == text


def test_a_figure_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        plot_summary(summarise(SPLIT), tmp_path / "a.doc", "t")
    with pytest.raises(DataError, match="cannot be written"):
        plot_summary(summarise(SPLIT), tmp_path / "no" / "a.svg", "t")
