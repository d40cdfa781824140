"""What the user has to declare for a scheme, and what happens where nothing is declared.

Nothing is decided silently. A missing cell (a site that did not evaluate a submission) or a missing value
that no option says anything about is an error. Ties and penalised cases, which nearly every table has,
follow challengeR where nothing is declared, and the user is told so.
"""

from __future__ import annotations

from dataclasses import replace

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import costs_of
from leaderboard.ranking.registry import CHALLENGER, OPEN, Options
from leaderboard.site_summary import RankRules

_SHOWN = 10


def with_defaults(name: str, declared: Options) -> tuple[Options, str | None]:
    """Return the options with which a scheme is made, and what is to be said about them.

    Args:
        name: Of the scheme.
        declared: By the user; an option that a published scheme has fixed stays, and is then refused.

    Returns:
        Options without a gap; a note, None where everything was declared or is published.

    Example:
        >>> with_defaults("rank-then-mean", Options(ties="average", penalised="as-scored"))[0]
        Options(cells='refuse', ties='average', missing='refuse', penalised='as-scored')
    """
    options = replace(declared, cells=declared.cells or "refuse")
    if name not in OPEN:
        return options, None
    said = []
    if options.ties is None:
        options = replace(options, ties=CHALLENGER.ties)
        said.append(f"--ties {options.ties}")
    if options.penalised is None:
        options = replace(options, penalised=CHALLENGER.penalised)
        said.append(f"--penalised {options.penalised}")
    options = replace(options, missing=options.missing or "refuse")
    if not said:
        return options, None
    return options, f"{name} leaves rules open; not declared, so as in challengeR: {', '.join(said)}"


def check_cells_declared(table: CaseTable, declared: Options) -> None:
    """Check that a rule is declared if a site did not evaluate a submission.

    Raises:
        TableError: None is; the message names the cells and the three rules.
    """
    if declared.cells is not None or table.evaluated.all():
        return
    cells = [
        f"{name} at {site}"
        for name, row in zip(table.submissions, table.evaluated, strict=True)
        for site, there in zip(table.sites, row, strict=True)
        if not there
    ]
    more = f" and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else ""
    raise TableError(
        f"not evaluated: {', '.join(cells[:_SHOWN])}{more}; declare what that means: --missing drop-site "
        "(such a site counts for nobody), worst-rank (last there) or pairwise (each two submissions are "
        "compared where both were)"
    )


def check_values_declared(table: CaseTable, options: Options, name: str) -> None:
    """Check that a rule is declared if a value is missing where a submission was evaluated.

    Args:
        table: As prepared by the scheme.
        options: Of the scheme.
        name: Of the scheme.

    Raises:
        TableError: None is, and the scheme leaves it open; the message names the first.
    """
    if name not in OPEN or options.missing != "refuse":
        return
    rules = RankRules("min", "refuse", options.penalised or "as-scored")
    for site in range(len(table.case_sites)):
        try:
            costs_of(table, rules, site)
        except TableError as error:
            raise TableError(f"{error}: --missing-values last or penalty") from error
