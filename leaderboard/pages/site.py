"""The whole site: every page, every table and every record, as bytes by path.

Nothing in it depends on when or where it is made: the same runs give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import RECORD, Entry, Refused
from leaderboard.board_ranking import RankedBoard
from leaderboard.cases import CaseTable
from leaderboard.pages.board_rows import BoardRow, board_rows
from leaderboard.pages.cells import Column
from leaderboard.pages.figures.ranks import rank_stability
from leaderboard.pages.matrices import (
    agreement_matrix,
    heat_map,
    schemes_matrix,
    significance_map,
    site_out_matrix,
)
from leaderboard.pages.names import slugs
from leaderboard.pages.page import Page, Renderer
from leaderboard.pages.run_view import view_run
from leaderboard.pages.submission_page import Pictures, submission_values
from leaderboard.pages.words import how_certain_it_is, how_it_is_ranked
from leaderboard.rank_files import RankedFiles
from leaderboard.tables.rank_outputs import rank_outputs
from leaderboard.tied_groups import group_letters

_WHAT = {
    "": "The ranking with its uncertainty",
    "significance": "Tests of all pairs by each metric",
    "significance-map": "Pairs of site and metric that the row won",
    "sites-left-out": "Ranks without each site in turn",
    "ledger": "Each submission's weak ends and costs",
    "ledger-sites": "The same at each site",
    "schemes": "The rankings by all schemes",
    "agreement": "Kendall's tau between the schemes",
    "challenger-higher": "Cases for challengeR, Dice",
    "challenger-lower": "Cases for challengeR, HD95",
}


@dataclass(frozen=True)
class SiteOptions:
    """What the organizer decides.

    Attributes:
        title: Of the board.
        show_cases: Whether single cases are named and their values can be downloaded.
    """

    title: str = "Leaderboard"
    show_cases: bool = False


@dataclass(frozen=True)
class File:
    """A table to download."""

    name: str
    href: str
    what: str
    size: int
    digest: str


@dataclass(frozen=True)
class RecordLink:
    """A run's record."""

    submission: str
    name: str
    href: str
    signer: str
    digest: str


@dataclass(frozen=True)
class RefusedLine:
    """A run that is not ranked, as the board shows it: without the organizer's paths."""

    name: str
    why: str


def site_files(
    ranked: RankedBoard, options: SiteOptions, pictures: Pictures | None = None
) -> dict[str, bytes]:
    """Return the files of the site by path.

    Args:
        ranked: The board.
        options: See there.
        pictures: Slices of the worst cases, asked for where single cases may be shown.

    Raises:
        TableError: A run's file has not the form of such a file, or a picture is no PNG.
    """
    found, renderer = ranked.ranked, Renderer(options.title)
    names = slugs(found.table.submissions)
    ranked_names = {entry.submission for entry in ranked.board.entries}
    hrefs = {name: f"submissions/{slug}.html" for name, slug in names.items() if name in ranked_names}
    columns, rows = board_rows(found, hrefs)
    tables = _tables(ranked, show_cases=options.show_cases)
    records, record_files = _records(ranked.board.entries, names)
    pages = {
        "index.html": _index(renderer, found, columns, rows, ranked.board.refused),
        "certainty.html": _certainty(renderer, ranked),
        "sites.html": renderer.render(
            "sites.html",
            Page("sites.html", "Submissions and sites"),
            heat=heat_map(found),
            dropped=found.ranked.dropped_sites,
        ),
        "ranking.html": renderer.render(
            "ranking.html",
            Page("ranking.html", "How the ranking is computed"),
            scheme=found.ranked.ranking.scheme,
            ranked=how_it_is_ranked(found),
            certain=how_certain_it_is(found, ranked.call.seed),
            notes=found.notes,
            summary=_summary(found),
            metrics=found.table.metrics,
        ),
        "downloads.html": renderer.render(
            "downloads.html",
            Page("downloads.html", "Downloads and records"),
            files=_listed(tables),
            records=records,
        ),
    }
    for row in rows:
        if row.name in hrefs:
            runs = [view_run(entry) for entry in ranked.board.entries if entry.submission == row.name]
            values = submission_values(found, row, columns, runs, pictures, show_cases=options.show_cases)
            pages[hrefs[row.name]] = renderer.render(
                "submission.html",
                Page(hrefs[row.name], row.name, "../"),
                records=[record for record in records if record.submission == row.name],
                **values,
            )
    return {**pages, **{f"tables/{name}": text for name, text in tables.items()}, **record_files}


def _index(
    renderer: Renderer,
    found: RankedFiles,
    columns: Sequence[Column],
    rows: Sequence[BoardRow],
    refused: Sequence[Refused],
) -> bytes:
    letters = sorted({letter for row in rows for letter in row.letters.split()}, key=lambda x: (len(x), x))
    lines = [
        RefusedLine(run.name or f"run {place}", "; ".join(_public(run)))
        for place, run in enumerate(refused, 1)
    ]
    return renderer.render(
        "index.html",
        Page("index.html", "Board"),
        summary=_summary(found),
        caption=f"Ranking by {found.ranked.ranking.scheme}; the heads of the columns sort",
        columns=columns,
        rows=rows,
        letters=letters,
        refused=lines,
    )


def _certainty(renderer: Renderer, ranked: RankedBoard) -> bytes:
    found = ranked.ranked
    groups = found.ranked.groups
    letters = group_letters(tuple((str(place),) for place in range(len(groups))))
    return renderer.render(
        "certainty.html",
        Page("certainty.html", "How certain the ranks are"),
        words=how_certain_it_is(found, ranked.call.seed),
        stability=rank_stability(found.ranked),
        groups=[(letters[str(place)], group) for place, group in enumerate(groups)],
        significance=significance_map(found),
        left_out=site_out_matrix(found.ranked),
        agreement=agreement_matrix(found.agreement) if found.agreement is not None else None,
        schemes=schemes_matrix(found) if found.agreement is not None else None,
    )


def _summary(found: RankedFiles) -> str:
    table: CaseTable = found.table
    return (
        f"{len(table.submissions)} submissions, {len(found.ranked.sites)} sites, "
        f"{int(table.case_counts.sum())} cases, scheme {found.ranked.ranking.scheme}; "
        f"intervals from {found.ranked.uncertainty.resamples} resamples of sites and cases."
    )


def _public(run: Refused) -> list[str]:
    """Return the reasons without the folders of the organizer's machine."""
    return [reason.replace(run.source, "the run") for reason in run.reasons]


def _tables(ranked: RankedBoard, *, show_cases: bool) -> dict[str, bytes]:
    texts = rank_outputs(Path("ranking.csv"), ranked.ranked, ranked.call, challenger=show_cases)
    return {path.name: text.encode() for path, text in texts.items()}


def _listed(tables: Mapping[str, bytes]) -> list[File]:
    files = []
    for name, content in tables.items():
        beside = name.removesuffix(".csv").removeprefix("ranking").removeprefix("-")
        what = "Everything that the tables follow from" if name.endswith(".json") else _WHAT[beside]
        digest = hashlib.sha256(content).hexdigest()
        files.append(File(name, f"tables/{name}", what, len(content), digest))
    return files


def _records(entries: Sequence[Entry], names: Mapping[str, str]) -> tuple[list[RecordLink], dict[str, bytes]]:
    links: list[RecordLink] = []
    files: dict[str, bytes] = {}
    seeds = slugs(entry.seed for entry in entries)
    for entry in entries:
        href = f"records/{names[entry.submission]}-seed-{seeds[entry.seed]}.json"
        links.append(RecordLink(entry.submission, entry.key, href, entry.signer, entry.record_sha256))
        files[href] = (entry.folder / RECORD).read_bytes()
    return links, files
