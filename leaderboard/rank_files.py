"""From files to a ranking with all that belongs to it: the whole of ``challenge leaderboard rank``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.agreement import Agreement, scheme_agreement
from leaderboard.cases import CaseTable, read_cases
from leaderboard.convergence import Convergence, one_horizon, read_convergence
from leaderboard.declared_rules import check_cells_declared, check_values_declared, with_defaults
from leaderboard.errors import TableError
from leaderboard.ledger import SiteEntry, SubmissionEntry, site_ledger, submission_ledger
from leaderboard.ranked import Ranked, rank_with_uncertainty
from leaderboard.ranking.registry import OPEN, SCHEMES, Options, make_scheme
from leaderboard.run_folder import RunCosts, read_run
from leaderboard.significance import Significance, significance
from leaderboard.uncertainty import Generators


@dataclass(frozen=True)
class RankCall:
    """What was asked for.

    Attributes:
        cases: Files cases.csv; the folder of a run may stand around them.
        summaries: Files of sites that release no case values.
        convergence: Files of convergence scores; without any, those of the runs' folders.
        scheme: Its id.
        declared: Rules; None is "not declared".
        seed: Of the resamples.
        resamples: How many.
        all_schemes: Whether to rank by every other scheme too.
    """

    cases: tuple[Path, ...]
    summaries: tuple[Path, ...]
    convergence: tuple[Path, ...]
    scheme: str
    declared: Options
    seed: int
    resamples: int
    all_schemes: bool


@dataclass(frozen=True)
class RankedFiles:
    """The ranking of some files.

    Attributes:
        table: Of all cases.
        ranked: By the scheme that was asked for.
        others: By the other schemes, if asked for.
        agreement: Of all schemes, if asked for.
        significance: On the sites that the ranking counts.
        submissions: The ledger.
        sites: The ledger by site.
        horizon_s: Of the convergence scores.
        digests: SHA-256 of the input files by path.
        notes: What the user was told.
    """

    table: CaseTable
    ranked: Ranked
    others: Mapping[str, Ranked]
    agreement: Agreement | None
    significance: Significance
    submissions: tuple[SubmissionEntry, ...]
    sites: tuple[SiteEntry, ...]
    horizon_s: float | None
    digests: Mapping[str, str]
    notes: tuple[str, ...]


def rank_files(call: RankCall, generators: Generators, say: Callable[[str], None]) -> RankedFiles:
    """Read the files and rank them.

    Args:
        call: What is asked for.
        generators: Of the resamples, see `leaderboard.uncertainty`.
        say: Is told each note and each long step.

    Raises:
        TableError: A file or a rule does not serve; see the readers and `Scheme`.
    """
    if not call.cases and not call.summaries:
        raise TableError("there is nothing to rank; give --cases FILE... or --summary FILE")
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        say(f"note: {text}")

    options, remark = with_defaults(call.scheme, _of_scheme(call, call.scheme))
    scheme = make_scheme(call.scheme, options)  # refuses before the files are read
    if remark:
        note(remark)
    table = read_cases(call.cases, summaries=call.summaries)
    check_cells_declared(table, call.declared)
    check_values_declared(scheme.prepare(table), options, call.scheme)
    runs = _runs(call.cases)
    convergence = _convergence(call.convergence, runs)
    scores = convergence.scores or None
    say(
        f"{call.scheme}: {len(table.submissions)} submissions, {len(table.sites)} sites, "
        f"{int(table.case_counts.sum())} cases, {call.resamples} resamples"
    )
    ranked = rank_with_uncertainty(scheme, table, scores, generators, call.resamples)
    others = _others(call, table, scores, generators, say, note) if call.all_schemes else {}
    say("significance of all pairs")
    found = significance(scheme.prepare(table), scheme.rules.cases)
    return RankedFiles(
        table,
        ranked,
        others,
        _agreement(call.scheme, ranked, others) if call.all_schemes else None,
        found,
        submission_ledger(table, scores, runs),
        site_ledger(table, runs),
        convergence.horizon_s,
        {str(path): _digest(path) for path in (*call.cases, *call.summaries, *call.convergence)},
        tuple(notes),
    )


def _of_scheme(call: RankCall, name: str) -> Options:
    """Return what is declared for a scheme; with several schemes the open ones alone take all rules."""
    return call.declared if name in OPEN or not call.all_schemes else Options(cells=call.declared.cells)


def _others(
    call: RankCall,
    table: CaseTable,
    convergence: Mapping[str, float] | None,
    generators: Generators,
    say: Callable[[str], None],
    note: Callable[[str], None],
) -> dict[str, Ranked]:
    """Rank by all other schemes; one that cannot rank this table is left out, with a note that says why."""
    found: dict[str, Ranked] = {}
    for name in SCHEMES:
        if name == call.scheme:
            continue
        options, remark = with_defaults(name, _of_scheme(call, name))
        try:
            scheme = make_scheme(name, options)
            check_values_declared(scheme.prepare(table), options, name)
            say(f"{name}: {call.resamples} resamples")
            found[name] = rank_with_uncertainty(scheme, table, convergence, generators, call.resamples)
        except TableError as error:
            note(f"{name} is left out: {error}")
        else:
            if remark:
                note(remark)
    return found


def _agreement(name: str, ranked: Ranked, others: Mapping[str, Ranked]) -> Agreement:
    every = {name: ranked, **others}
    return scheme_agreement({known: every[known].ranking for known in SCHEMES if known in every})


def _runs(cases: Sequence[Path]) -> tuple[RunCosts, ...]:
    """Return what the folders around the files tell, where they are folders of runs."""
    files = [path for path in cases if path.name == "cases.csv"]
    found = [read_run(folder) for folder in sorted({path.parent for path in files})]
    return tuple(run for run in found if run is not None)


def _convergence(files: Sequence[Path], runs: Sequence[RunCosts]) -> Convergence:
    """Return the scores of the files or, without any, of the runs; no two horizons may differ.

    Raises:
        TableError: They do.
    """
    horizons = {run.source: run.horizon_s for run in runs}
    if files:
        return read_convergence(files, horizons)
    scores: dict[str, list[float]] = {}
    for run in sorted(runs, key=lambda run: (run.submission, run.seed, run.source)):
        if run.convergence_score is not None:
            scores.setdefault(run.submission, []).append(run.convergence_score)
    return Convergence(
        {name: sum(own) / len(own) for name, own in scores.items()},
        one_horizon(horizons),
    )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}); check the path") from error
