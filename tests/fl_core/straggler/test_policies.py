"""The straggler matrix: before and after the cutoff, minimum met or not, shares, nobody done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_core.errors import PlanError
from fl_core.straggler.base import Drop, Wait
from fl_core.straggler.cutoff import Cutoff
from fl_core.straggler.percentage import Percentage
from fl_core.straggler.wait_for_all import WaitForAll

SETS = st.sets(st.sampled_from("abcdefgh"))


@pytest.mark.parametrize(
    ("finished", "pending", "started_s", "now_s", "dropped"),
    [
        ("ab", "c", 100.0, 159.9, None),  # before the cutoff all must report
        ("ab", "c", 100.0, 160.0, "c"),  # at it the minimum is enough
        ("ab", "cd", 100.0, 900.0, "cd"),
        ("a", "bc", 100.0, 900.0, None),  # fewer than the minimum: until there are enough
        ("", "abc", 100.0, 900.0, None),  # nobody done
        ("ab", "c", None, 900.0, None),  # no site has its tasks: the clock stands
        ("abc", "", 100.0, 900.0, None),  # nobody owes anything
    ],
)
def test_cutoff(
    finished: str, pending: str, started_s: float | None, now_s: float, dropped: str | None
) -> None:
    verdict = Cutoff(60, minimum=2).verdict(set(pending), set(finished), 0.0, started_s, now_s)
    if dropped is None:
        assert isinstance(verdict, Wait)
    else:
        assert isinstance(verdict, Drop)
        assert verdict.sites == frozenset(dropped)
        assert "60 s" in verdict.reason


def test_cutoff_says_until_when_to_wait() -> None:
    assert Cutoff(60).verdict({"a"}, set(), 0.0, 30.0, 40.0) == Wait(90.0)
    assert Cutoff(60).verdict({"a"}, set(), 0.0, None, 40.0) == Wait(None)


@pytest.mark.parametrize(
    ("share", "minimum", "finished", "pending", "drops"),
    [
        (0.5, 1, "a", "bc", False),
        (0.5, 1, "ab", "c", True),
        (0.5, 1, "ab", "cd", True),
        (0.7, 1, "abcdefg", "hij", True),  # 0.7 * 10 is a trace above 7 in floats
        (0.7, 1, "abcdef", "ghij", False),
        (0.1, 3, "ab", "cdef", False),  # the share is met, the minimum is not
        (0.1, 3, "abc", "def", True),
        (1.0, 1, "ab", "c", False),
        (0.5, 9, "ab", "c", False),  # more than there are: all must report
        (0.5, 1, "", "abc", False),
    ],
)
def test_percentage(share: float, minimum: int, finished: str, pending: str, drops: bool) -> None:
    verdict = Percentage(share, minimum).verdict(set(pending), set(finished), 0.0, 0.0, 1.0)
    assert isinstance(verdict, Drop) == drops
    if isinstance(verdict, Drop):
        assert verdict.sites == frozenset(pending)


@given(SETS, SETS, st.floats(0, 1e6), st.sampled_from([WaitForAll(), Cutoff(5, 2), Percentage(0.3, 2)]))
def test_only_pending_sites_are_dropped_and_never_without_the_minimum(
    pending: set[str], finished: set[str], now_s: float, policy: WaitForAll | Cutoff | Percentage
) -> None:
    finished -= pending
    verdict = policy.verdict(pending, finished, 0.0, 0.0, now_s)
    if isinstance(verdict, Drop):
        assert verdict.sites == pending
        assert pending and len(finished) >= 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cutoff(0),
        lambda: Cutoff(float("nan")),
        lambda: Cutoff(5, minimum=0),
        lambda: Percentage(0),
        lambda: Percentage(1.01),
        lambda: Percentage(0.5, minimum=0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: object) -> None:
    with pytest.raises(PlanError):
        make()  # type: ignore[operator]
