"""The files of a ranking: the table, its settings, and what belongs to it, all beside each other."""

from __future__ import annotations

from pathlib import Path

from leaderboard.errors import TableError
from leaderboard.rank_files import RankCall, RankedFiles
from leaderboard.tables.details import (
    agreement_csv,
    challenger_csv,
    significance_csv,
    significance_map_csv,
    site_ledger_csv,
    sites_left_out_csv,
    submission_ledger_csv,
)
from leaderboard.tables.ranking import best_first, ranking_csv, schemes_csv
from leaderboard.tables.settings import ranking_settings, settings_json

BESIDE = (
    "significance",
    "significance-map",
    "sites-left-out",
    "ledger",
    "ledger-sites",
    "schemes",
    "agreement",
    "challenger-higher",
    "challenger-lower",
)
"""What may stand beside the table of a ranking: ``board-ledger.csv`` beside ``board.csv``."""


def check_new(out: Path) -> None:
    """Check that a ranking can be written without replacing anything.

    Raises:
        TableError: The file or one that belongs to it exists, it does not end in .csv, or there is no such
            folder.
    """
    if out.suffix != ".csv":
        raise TableError(f"--out {out}: name a file that ends in .csv; its settings go into .json beside it")
    if not out.parent.is_dir():
        raise TableError(f"--out {out}: there is no folder {out.parent}; make it first")
    for path in (out, out.with_suffix(".json"), *(_beside(out, what) for what in BESIDE)):
        if path.exists():
            raise TableError(f"--out {out}: {path} exists already; name a new file")


def rank_outputs(out: Path, found: RankedFiles, call: RankCall, *, challenger: bool) -> dict[Path, str]:
    """Return the texts of a ranking's files by path, the table first and the settings last.

    Args:
        out: Path of the table; the others are named after it.
        found: The ranking.
        call: What was asked for.
        challenger: Whether to export the cases for challengeR.
    """
    ranked = found.ranked
    order = [ranked.ranking.submissions[index] for index in best_first(ranked)]
    more = {
        "significance": significance_csv(found.significance),
        "significance-map": significance_map_csv(found.significance, order),
        "ledger": submission_ledger_csv(found.submissions),
        "ledger-sites": site_ledger_csv(found.sites),
    }
    if ranked.sites_left_out is not None:
        more["sites-left-out"] = sites_left_out_csv(ranked.sites_left_out, order)
    if found.agreement is not None:
        more["schemes"] = schemes_csv({call.scheme: ranked, **found.others}, found.table)
        more["agreement"] = agreement_csv(found.agreement)
    if challenger:
        more["challenger-higher"] = challenger_csv(found.table, "higher")
        more["challenger-lower"] = challenger_csv(found.table, "lower")
    texts = {out: ranking_csv(ranked, found.table)}
    texts |= {_beside(out, what): more[what] for what in BESIDE if what in more}
    settings = ranking_settings(
        ranked,
        found.table,
        seed=call.seed,
        inputs=found.digests,
        horizon_s=found.horizon_s,
        notes=found.notes,
        others=found.others,
        files=[path.name for path in texts],
    )
    texts[out.with_suffix(".json")] = settings_json(settings)
    return texts


def _beside(out: Path, what: str) -> Path:
    return out.with_name(f"{out.stem}-{what}.csv")
