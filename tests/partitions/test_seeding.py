from hypothesis import given
from hypothesis import strategies as st

from partitions.seeding import generator


def test_a_purpose_always_draws_the_same_numbers() -> None:
    first = generator(3, "lesion", "1", 0).standard_normal(4)
    assert (first == generator(3, "lesion", "1", 0).standard_normal(4)).all()


purposes = st.lists(st.one_of(st.text(max_size=3), st.integers(0, 9)), max_size=3)


@given(st.integers(0, 50), purposes, st.integers(0, 50), purposes)
def test_two_purposes_never_share_a_stream(
    seed: int, purpose: list[str | int], other_seed: int, other: list[str | int]
) -> None:
    same = (seed, [(type(part), part) for part in purpose]) == (
        other_seed,
        [(type(part), part) for part in other],
    )
    drawn = generator(seed, *purpose).integers(2**62)
    assert (drawn == generator(other_seed, *other).integers(2**62)) == same
