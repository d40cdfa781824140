"""``challenge score``: the metrics of every case of two folders of masks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from challenge.cli.counting import counting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from challenge.scoring.case_score import CaseScore, ScoreSettings
    from challenge.scoring.pairing import Pair

_SHOWN = 20


def score(
    predictions: Annotated[Path, typer.Option(metavar="DIR", help="Holds CASE.nii.gz.")],
    references: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Holds CASE.nii.gz, CASE_seg.nii.gz or CASE_final_seg.nii.gz."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table; a record stands beside it.")] = Path(
        "cases.csv"
    ),
    definition: Annotated[
        Literal["pooled", "maxdir"],
        typer.Option(help="Of HD95: both directions in one list, or the larger of the two."),
    ] = "pooled",
    lesions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also compare lesion by lesion, into this table.")
    ] = None,
    labels: Annotated[
        Literal["auto", "fets", "brats2023"],
        typer.Option(help="Enhancing tumour is 4 (fets) or 3 (brats2023); auto: by the references' names."),
    ] = "auto",
    submission: Annotated[
        str | None, typer.Option(metavar="NAME", help="For that column [name of the predictions' folder].")
    ] = None,
    site: Annotated[
        str | None, typer.Option(metavar="NAME", help="For that column [name of the references' folder].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For that column.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Cases at the same time [one a core].")
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="S", help="Seconds that a case may take.")] = 120.0,
) -> None:
    """Write Dice, HD95, sensitivity, specificity and precision of WT, TC and ET for every reference.

    A case without a usable prediction has penalties and the reason in its status. Exits with 1 if a
    reference itself cannot be used.
    """
    from challenge.records.machine import machine_facts
    from challenge.scoring import report
    from challenge.scoring.case_score import ScoreSettings
    from challenge.scoring.pairing import pair_folders
    from fl_core.durable import Disk
    from tasks.segmentation.metrics.lesionwise import LesionRules

    beside = _new_files(out, lesions)
    pairing = pair_folders(references, predictions, None if labels == "auto" else labels)
    origin = report.Origin(
        _named(submission, predictions, "--submission"), seed, _named(site, references, "--site")
    )
    for note in pairing.notes:
        typer.echo(f"note: {note}", err=True)
    settings = ScoreSettings(definition, None if lesions is None else LesionRules())
    scores = _score_all(pairing.pairs, settings, workers or _cores(), timeout)

    tables = {out: report.cases_csv(origin, scores)}
    if lesions is not None:
        tables[lesions] = report.lesions_csv(origin, scores)
    versions = machine_facts(threads=1)["libraries"]
    by_name = {path.name: content for path, content in tables.items()}
    tables[beside] = report.record(origin, settings, scores, pairing.notes, by_name, versions)
    for path, content in tables.items():
        Disk().write(path, content)
    _show(scores, beside)
    for line in report.table_lines(report.means(scores)):
        typer.echo(line)
    if lesions is not None:
        typer.echo(f"lesion by lesion ({lesions}):")
        for line in report.table_lines(report.lesion_means(scores), ("dice", "hd95")):
            typer.echo(line)
    typer.echo(f"{report.status_line(scores)}; {out}, HD95 {definition} in mm")
    broken = sum(one.reference_at_fault for one in scores)
    if broken:
        typer.echo(
            f"error: {broken} references cannot be used, their cases say nothing of the predictions; "
            f"mend them, see {beside}",
            err=True,
        )
        raise typer.Exit(1)


def _new_files(out: Path, lesions: Path | None) -> Path:
    """Return the record's path; refuse what exists before any work is done."""
    from fl_core.errors import InputError

    beside = out.with_suffix(".json")
    files = [out, beside, *([] if lesions is None else [lesions])]
    if len({path.resolve() for path in files}) < len(files):
        raise InputError(f"{out}: table, record and lesions need different files; end names with .csv")
    for path in files:
        if path.exists():
            raise InputError(f"{path}: exists; name a new file (--out, --lesions) or move it away")
        path.parent.mkdir(parents=True, exist_ok=True)
    return beside


def _named(given: str | None, folder: Path, option: str) -> str:
    from fl_core.errors import InputError

    name = folder.resolve().name if given is None else given.strip()
    name = name.encode(errors="backslashreplace").decode()
    if not name:
        raise InputError(f"{option}: a name is needed for the column in cases.csv; give one")
    return name


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _score_all(
    pairs: Sequence[Pair], settings: ScoreSettings, workers: int, timeout: float
) -> list[CaseScore]:
    """Return the scores in the order of the pairs, whoever was done first."""
    from challenge.scoring.pool import ScoringPool
    from fl_core.executor.environment import worker_environment

    found = {}
    environment = worker_environment(os.environ)
    with (
        counting("cases scored") as progress,
        ScoringPool(settings, min(workers, len(pairs)), environment, timeout_s=timeout) as pool,
    ):
        for one in pool.score(pairs):
            found[one.case] = one
            progress(len(found), len(pairs))
    return [found[pair.case] for pair in pairs]


def _show(scores: Sequence[CaseScore], beside: Path) -> None:
    """Print why cases have penalties, as far as that can be read."""
    bad = [one for one in scores if one.status != "ok"]
    for one in bad[:_SHOWN]:
        typer.echo(f"{one.case}: {one.status}: {one.reason}", err=True)
    if len(bad) > _SHOWN:
        typer.echo(f"and {len(bad) - _SHOWN} more, see {beside}", err=True)
