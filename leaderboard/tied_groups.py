"""Submissions that cannot be told apart.

Two submissions are told apart if one of them is before the other in at least (1 + level) / 2 of the
resamples, 97.5 % at the usual level, a tie counting half: a two-sided test of the one pair, not adjusted
for the number of pairs. Not being told apart is not transitive: a and b, b and c may be too close to call
while a and c are not. So a group is a run of the ranking, as long as possible, in which no two are told
apart; a submission may be in several groups, and two share a letter only if they were not told apart. This
is the letter display of multiple comparisons (Piepho 2004, J. Comput. Graph. Stat. 13:456) for runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.uncertainty import Uncertainty


def tied_groups(ranks: npt.NDArray[np.float64], uncertainty: Uncertainty) -> tuple[tuple[str, ...], ...]:
    """Return the groups, best first, each with its submissions from the best to the last.

    Every submission is in one group at least; one that is told apart from all others is alone in it.

    Args:
        ranks: The ranking, shape (submission,).
        uncertainty: Of the same submissions.
    """
    order = np.lexsort((np.array(uncertainty.submissions), ranks))
    needed = (1 + uncertainty.level) / 2
    share = np.maximum(uncertainty.before, uncertainty.before.T)
    close = (share < needed - 1e-12)[np.ix_(order, order)]
    np.fill_diagonal(close, val=True)
    groups: list[tuple[int, int]] = []
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and close[start:end, end].all():
            end += 1
        if not groups or end > groups[-1][1]:
            groups.append((start, end))
    return tuple(tuple(uncertainty.submissions[index] for index in order[start:end]) for start, end in groups)


def group_letters(groups: tuple[tuple[str, ...], ...]) -> dict[str, str]:
    """Return the letters of each submission's groups: a, b ... z, aa, ab ..., separated by spaces.

    Example:
        >>> group_letters((("x", "y"), ("y", "z")))
        {'x': 'a', 'y': 'a b', 'z': 'b'}
    """
    letters: dict[str, list[str]] = {}
    for number, group in enumerate(groups):
        for name in group:
            letters.setdefault(name, []).append(_letter(number))
    return {name: " ".join(own) for name, own in letters.items()}


def _letter(number: int) -> str:
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text
