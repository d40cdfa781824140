"""``challenge leaderboard show|publish|verify|post``: a board of verified runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from challenge.cli.board_sources import board_of, verifier

if TYPE_CHECKING:
    from leaderboard.board import Admission, Board
    from leaderboard.board_ranking import RankedBoard

Runs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RUNS", help="Folders of runs, or a folder that holds them.", show_default=False),
]
TrackingUri = Annotated[
    str | None, typer.Option("--tracking-uri", metavar="URI", help="Read the runs from MLflow instead.")
]
Experiment = Annotated[str, typer.Option(metavar="NAME", help="Of MLflow.")]
TrustedKey = Annotated[
    Path | None,
    typer.Option("--trusted-key", metavar="FILE", help="Public keys (PEM) of trusted signers. [your own]"),
]
Unofficial = Annotated[
    bool, typer.Option("--unofficial", help="Rank runs too that ran without isolation, or not exactly.")
]
Scheme = Annotated[
    str | None, typer.Option(metavar="ID", help="As for rank. [the challenge's own for the task]")
]
Missing = Annotated[
    str | None,
    typer.Option(metavar="POLICY", help="Of sites without a submission: drop-site|worst-rank|pairwise."),
]
Ties = Annotated[str | None, typer.Option(metavar="average|min", help="For schemes that ask.")]
MissingValues = Annotated[
    str | None,
    typer.Option("--missing-values", metavar="last|penalty|refuse", help="For schemes that ask."),
]
Penalised = Annotated[str | None, typer.Option(metavar="as-scored|as-missing", help="For schemes that ask.")]
Summaries = Annotated[
    list[Path] | None, typer.Option("--summary", metavar="FILE", help="Of a site without case values.")
]
Ladder = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="team,submission in the order of submission: of a team only the attempt stands that was a "
        "significant improvement.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the resamples.")]
Resamples = Annotated[int, typer.Option(min=1, max=100_000, help="Of the bootstrap.")]


def show(
    runs: Runs = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = "task1",
    trusted_key: TrustedKey = None,
    unofficial: Unofficial = False,
    scheme: Scheme = None,
    missing: Missing = None,
    ties: Ties = None,
    missing_values: MissingValues = None,
    penalised: Penalised = None,
    summary: Summaries = None,
    ladder: Ladder = None,
    seed: Seed = 0,
    resamples: Resamples = 1000,
) -> None:
    """Show the ranking of verified runs, with an interval for every rank."""
    from challenge.cli.leaderboard import show_ranking

    rules = (missing, ties, missing_values, penalised)
    with board_of(
        runs or (), tracking_uri, experiment, verifier(trusted_key), _admission(unofficial)
    ) as board:
        ranked = _ranked(board, scheme, rules, summary, ladder, seed, resamples, all_schemes=False)
    show_ranking(ranked.ranked)
    _say_refused(ranked.board)


def publish(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder.")],
    runs: Runs = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = "task1",
    trusted_key: TrustedKey = None,
    unofficial: Unofficial = False,
    scheme: Scheme = None,
    missing: Missing = None,
    ties: Ties = None,
    missing_values: MissingValues = None,
    penalised: Penalised = None,
    summary: Summaries = None,
    ladder: Ladder = None,
    seed: Seed = 0,
    resamples: Resamples = 1000,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Of the board.")] = "Leaderboard",
    all_schemes: Annotated[
        bool, typer.Option("--all-schemes", help="Rank by every other scheme too, and compare.")
    ] = False,
    show_cases: Annotated[
        bool, typer.Option("--show-cases", help="Name single cases, and give their values to download.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="SUBMISSION/SITE/CASE.png of cases that may be shown."),
    ] = None,
) -> None:
    """Write the board as static pages, which a browser reads from a folder or any web server."""
    from fl_core.durable import Disk
    from leaderboard.pages.site import SiteOptions, site_files

    _check_out(out)
    if pictures is not None and not show_cases:
        raise typer.BadParameter(
            "pictures are of single cases: give --show-cases too", param_hint="--pictures"
        )
    rules = (missing, ties, missing_values, penalised)
    with board_of(
        runs or (), tracking_uri, experiment, verifier(trusted_key), _admission(unofficial)
    ) as board:
        ranked = _ranked(board, scheme, rules, summary, ladder, seed, resamples, all_schemes=all_schemes)
        files = site_files(
            ranked, SiteOptions(title, show_cases), None if pictures is None else _pictures(pictures)
        )
    disk = Disk()
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write(path, content)
    _say_refused(ranked.board)
    typer.echo(f"written: {len(files)} files; open {out / 'index.html'}")


def verify(
    runs: Runs = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = "task1",
    trusted_key: TrustedKey = None,
) -> None:
    """Check every shown number and every file against the signed records."""
    from leaderboard.board import Admission

    rules = Admission(known_signer=True, official=False)
    with board_of(runs or (), tracking_uri, experiment, verifier(trusted_key), rules) as board:
        for entry in board.entries:
            typer.echo(f"verified: {_plain(entry.key)} ({_plain(entry.source)}), signed by {entry.signer}")
        for run in board.refused:
            typer.echo(f"not verified: {_plain(run.name or run.source)} ({_plain(run.source)})")
            for reason in run.reasons:
                typer.echo(f"  {_plain(reason)}")
    typer.echo(f"{len(board.entries)} verified, {len(board.refused)} not")
    if board.refused or not board.entries:
        raise typer.Exit(1)


def post(
    tracking_uri: Annotated[str, typer.Option("--tracking-uri", metavar="URI", help="Of MLflow.")],
    runs: Runs = None,
    phase: Annotated[str, typer.Option(metavar="dev|test", help="Of the challenge.")] = "dev",
    board: Annotated[str, typer.Option(metavar="public|private", help="Who is to see it.")] = "private",
    task: Annotated[str, typer.Option(metavar="NAME", help="Of the challenge.")] = "task1",
    trusted_key: TrustedKey = None,
    unofficial: Unofficial = False,
    outbox: Annotated[
        Path, typer.Option(metavar="DIR", help="Where waits what MLflow could not take.")
    ] = Path("outbox"),
    patience: Annotated[float, typer.Option(min=1, metavar="S", help="Seconds to wait for each run.")] = 120,
) -> None:
    """Post verified runs to a board in MLflow: a run for each, below it one for each site."""
    from leaderboard.phases import experiment_name
    from leaderboard.posting import post_entry
    from leaderboard.tracking import open_tracker

    experiment = experiment_name(task, phase, board)
    check = verifier(trusted_key)
    unsent = 0
    with board_of(runs or (), None, experiment, check, _admission(unofficial)) as found:
        for entry in found.entries:
            tracker = open_tracker(
                tracking_uri,
                experiment=experiment,
                run_name=entry.key,
                run_id=None,
                lock_folder=outbox,
                outbox=outbox / f"{entry.record_sha256[:16]}.jsonl",
                run_key=f"{experiment} {entry.record_sha256}",
            )
            results = check(entry.folder).facts.get("results", {})
            post_entry(tracker, entry, results if isinstance(results, dict) else {})
            tracker.finish()
            sent = tracker.close(patience)
            unsent += not sent
            typer.echo(f"{'posted' if sent else 'waiting'}: {_plain(entry.key)}")
            for problem in tracker.problems:
                typer.echo(f"  {_plain(problem)}", err=True)
    _say_refused(found)
    if unsent:
        typer.echo(f"error: {unsent} runs wait in {outbox}; give the same command again", err=True)
    if unsent or not found.entries:
        raise typer.Exit(1)


def _admission(unofficial: bool) -> Admission:
    from leaderboard.board import Admission

    return Admission(official=not unofficial)


def _ranked(
    board: Board,
    scheme: str | None,
    rules: tuple[str | None, ...],
    summaries: list[Path] | None,
    ladder: Path | None,
    seed: int,
    resamples: int,
    *,
    all_schemes: bool,
) -> RankedBoard:
    from challenge.cli.leaderboard import declared
    from fl_core.seeding import generator
    from leaderboard.board import without
    from leaderboard.board_ranking import BoardCall, rank_board
    from leaderboard.cases import read_cases
    from leaderboard.ladder import read_attempts, withheld

    call = BoardCall(scheme, declared(*rules), seed, resamples, all_schemes, tuple(summaries or ()))
    if ladder is not None and board.entries:
        table = read_cases([entry.folder / "cases.csv" for entry in board.entries])
        board = without(board, withheld(table, read_attempts(ladder)))
    return rank_board(
        board,
        call,
        lambda block: generator(seed, "ranking bootstrap", block),
        lambda line: typer.echo(line, err=True),
    )


def _pictures(folder: Path) -> Any:
    """Return what gives the picture of a case; names are compared, never put into a path."""
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder}: is no folder", param_hint="--pictures")
    found = {
        (path.parent.parent.name, path.parent.name, path.stem): path
        for path in folder.glob("*/*/*.png")
        if path.is_file() and not path.is_symlink()
    }

    def picture(submission: str, site: str, case: str) -> bytes | None:
        path = found.get((submission, site, case))
        return None if path is None else path.read_bytes()

    return picture


def _check_out(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise typer.BadParameter(f"{out}: is not empty; name a new or empty folder", param_hint="--out")


def _say_refused(board: Board) -> None:
    if not board.refused:
        return
    typer.echo(f"not ranked: {len(board.refused)} runs", err=True)
    for run in board.refused:
        typer.echo(f"  {_plain(run.name or run.source)}: {_plain('; '.join(run.reasons))}", err=True)


def _plain(text: str) -> str:
    from leaderboard.tables.terminal import plain

    return plain(text)
