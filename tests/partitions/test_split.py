import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.errors import DataError
from partitions.schemes.sizes import FETS23, FETS33
from partitions.split import Split, split
from partitions.table import Partition, Row, read_partition


def institution(name: str, count: int, **marks: int) -> list[Row]:
    parts = [part for part, number in marks.items() for _ in range(number)]
    parts += [""] * (count - len(parts))
    return [Row(name, f"{name}-{index:03}", part) for index, part in enumerate(parts)]  # type: ignore[arg-type]


def partition(*rows: list[Row]) -> Partition:
    return Partition(tuple(row for group in rows for row in group), "test.csv")


def ids(table: Partition) -> list[str]:
    return [row.case for row in table.rows]


def sizes(result: Split) -> dict[str, tuple[int, int, int]]:
    return {n: (len(p.train), len(p.validate), len(p.test)) for n, p in result.institutions.items()}


@pytest.mark.parametrize(("fets", "totals"), [(FETS23, (992, 259)), (sum(FETS33, ()), (986, 265))])
def test_the_real_sizes_split_as_in_the_challenge(fets: tuple[int, ...], totals: tuple[int, int]) -> None:
    table = partition(*(institution(str(n), size) for n, size in enumerate(fets, start=1)))
    result = split(table, ids(table), seed=1, test_fraction=0.0, named_csv=True)
    counts = sizes(result).values()
    assert (sum(train for train, _, _ in counts), sum(validate for _, validate, _ in counts)) == totals


@pytest.mark.parametrize(
    ("cases", "expected"), [(2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (10, (6, 2, 2)), (20, (13, 4, 3))]
)
def test_sizes_without_any_marks(cases: int, expected: tuple[int, int, int]) -> None:
    table = partition(institution("1", cases))
    assert sizes(split(table, ids(table), seed=0, named_csv=True)) == {"1": expected}


def test_cases_without_a_row_are_hidden_and_nothing_is_drawn() -> None:
    table = partition(institution("1", 5))
    result = split(table, [*ids(table), "y", "x"], seed=0, named_csv=True)
    assert result.hidden == ("x", "y")
    assert sizes(result) == {"1": (4, 1, 0)}
    assert result.test_cases == (("", "x"), ("", "y"))
    ignoring = split(table, [*ids(table), "y", "x"], seed=0, named_csv=False)
    assert ignoring.hidden == () and sizes(ignoring) == {"1": (3, 1, 1)}


def test_rows_marked_test_are_hidden_and_nothing_is_drawn() -> None:
    table = partition(institution("b", 7, test=2), institution("a", 10))
    result = split(table, ids(table), seed=0, named_csv=True)
    assert sizes(result) == {"a": (8, 2, 0), "b": (4, 1, 2)}
    assert list(result.institutions) == ["a", "b"]
    assert result.test_cases == (("b", "b-000"), ("b", "b-001"))


def test_marks_are_respected_and_the_rest_is_filled_up() -> None:
    table = partition(institution("1", 10, train=2, val=4, test=1))
    parts = split(table, ids(table), seed=3, named_csv=True).institutions["1"]
    assert {"1-000", "1-001"} <= set(parts.train)
    assert {"1-002", "1-003", "1-004", "1-005"} <= set(parts.validate)
    assert parts.test == ("1-006",)
    # 0.8 * 9 = 7 should train, but only three are free beside the two marked.
    assert (len(parts.train), len(parts.validate)) == (5, 4)


@pytest.mark.parametrize(("mark", "lacking"), [("train", "no case to validate"), ("val", "no case to train")])
def test_an_institution_marked_one_way_is_an_error(mark: str, lacking: str) -> None:
    table = partition(institution("1", 3, **{mark: 3}))
    with pytest.raises(DataError, match=f"institution '1' has {lacking}"):
        split(table, ids(table), seed=0, named_csv=True)


def test_an_institution_with_one_case_is_an_error() -> None:
    table = partition(institution("1", 4), institution("2", 1))
    with pytest.raises(
        DataError, match=r"institution '2' has 1 of the two cases.*give it another case or merge it"
    ):
        split(table, ids(table), seed=0, named_csv=True)


def test_an_unknown_case_and_bad_fractions_are_errors() -> None:
    table = partition(institution("1", 4))
    with pytest.raises(DataError, match="case '1-003' is not a complete case"):
        split(table, ids(table)[:-1], seed=0, named_csv=True)
    for fraction in (0.0, 1.0, float("nan")):
        with pytest.raises(DataError, match="train_fraction"):
            split(table, ids(table), seed=0, train_fraction=fraction, named_csv=True)
    with pytest.raises(DataError, match="test_fraction"):
        split(table, ids(table), seed=0, test_fraction=1.0, named_csv=True)


def test_seeds_differ_and_repeat() -> None:
    table = partition(institution("1", 30))
    one, again, other = (split(table, ids(table), seed=seed, named_csv=True) for seed in (1, 1, 2))
    assert one == again
    assert one.institutions != other.institutions


@st.composite
def partitions(draw: st.DrawFn) -> Partition:
    groups = []
    for number in range(draw(st.integers(1, 4))):
        free = draw(st.integers(2, 12))
        marks = {part: draw(st.integers(0, 3)) for part in ("train", "val", "test")}
        groups.append(institution(str(number), free + sum(marks.values()), **marks))
    return partition(*groups)


@settings(max_examples=60, deadline=None)
@given(
    partitions(),
    st.integers(0, 5),
    st.floats(0.05, 0.95),
    st.floats(0.0, 0.9),
    st.booleans(),
    st.integers(0, 2),
)
def test_every_case_has_one_part_and_the_csv_repeats_the_split(
    tmp_path_factory: pytest.TempPathFactory,
    table: Partition,
    seed: int,
    train_fraction: float,
    test_fraction: float,
    named_csv: bool,
    unnamed: int,
) -> None:
    available = [*ids(table), *(f"extra{number}" for number in range(unnamed))]
    result = split(
        table,
        available,
        seed=seed,
        train_fraction=train_fraction,
        test_fraction=test_fraction,
        named_csv=named_csv,
    )
    chosen = [
        (name, case, part)
        for name, parts in result.institutions.items()
        for part, cases in (("train", parts.train), ("val", parts.validate), ("test", parts.test))
        for case in cases
    ]
    assert sorted((name, case) for name, case, _ in chosen) == sorted(
        (r.institution, r.case) for r in table.rows
    )
    where = {case: part for _, case, part in chosen}
    assert all(where[row.case] == row.part for row in table.rows if row.part)
    assert all(parts.train and parts.validate for parts in result.institutions.values())
    assert len(result.hidden) == (unnamed if named_csv else 0)

    path = tmp_path_factory.getbasetemp() / "split.csv"
    result.to_csv(path)
    repeated = split(read_partition(path), available, seed=seed + 1, named_csv=named_csv)
    assert repeated.institutions == result.institutions and repeated.hidden == result.hidden


@settings(max_examples=30, deadline=None)
@given(partitions(), st.integers(2, 9), st.integers(0, 3))
def test_one_institution_never_shifts_another(table: Partition, more: int, seed: int) -> None:
    # A marked test row keeps the two partitions in the same mode (nothing drawn to be hidden).
    fixed = Row("0", "0-test", "test")
    small = Partition((*table.rows, fixed), "small")
    large = Partition((*small.rows, *institution("new", more)), "large")
    one = split(small, ids(small), seed=seed, named_csv=True).institutions
    two = split(large, ids(large)[::-1], seed=seed, named_csv=True).institutions
    assert {name: two[name] for name in one} == dict(one)
