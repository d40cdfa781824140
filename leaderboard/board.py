"""The board: which runs stand on it. What is not verified is not ranked, and the reason is shown."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leaderboard.errors import TableError
from leaderboard.verification import Verdict, Verify

RECORD = "record.json"
_MOST_RUNS = 10_000
_MOST_RECORD_BYTES = 64 * 2**20


@dataclass(frozen=True)
class FoundRun:
    """A run as it was found, in a folder or in MLflow.

    Attributes:
        source: As the board names it: the folder, or the address in MLflow.
        folder: Where its files lie.
        problems: What is known to be wrong with it before its record is looked at.
    """

    source: str
    folder: Path
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A verified run.

    Attributes:
        source: Where it was found.
        folder: Its files.
        submission: Name.
        seed: Of the run.
        submission_digest: Of the participant's file or package.
        signer: Fingerprint of the key that signed the record.
        cases_sha256: Digest of cases.csv that the record vouches for.
        record_sha256: Digest of the record itself.
    """

    source: str
    folder: Path
    submission: str
    seed: str
    submission_digest: str
    signer: str
    cases_sha256: str
    record_sha256: str

    @property
    def key(self) -> str:
        """The run's name on the board, whatever folder or store it came from."""
        return f"{self.submission}, seed {self.seed}"


@dataclass(frozen=True)
class Refused:
    """A run that is not ranked.

    Attributes:
        source: Where it was found.
        name: Submission and seed, as far as its record can be believed; else empty.
        reasons: At least one.
    """

    source: str
    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Admission:
    """What a run needs to be ranked, beside an intact record.

    Attributes:
        known_signer: Its signer is trusted.
        official: It ran isolated, and was resumed exactly if at all.
    """

    known_signer: bool = True
    official: bool = True


@dataclass(frozen=True)
class Board:
    """The runs of a board, by submission and seed.

    Attributes:
        entries: Ranked ones.
        refused: The others, by source.
    """

    entries: tuple[Entry, ...]
    refused: tuple[Refused, ...]


def run_folders(paths: Sequence[Path]) -> list[FoundRun]:
    """Return the runs in folders; each path is a run's folder or one that holds such folders.

    A folder counts as a run's if it has a config.yaml or a record.json.

    Raises:
        TableError: A path is no folder, or holds no run.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise TableError(f"{path}: is no folder; give folders of runs, or one that holds them")
        own = [path] if _is_run(path) else [each for each in sorted(path.iterdir()) if _is_run(each)]
        if not own:
            raise TableError(f"{path}: holds no run (a folder with a {RECORD}); give folders of runs")
        found |= dict.fromkeys(own)
    if len(found) > _MOST_RUNS:
        raise TableError(f"{len(found)} runs are more than the {_MOST_RUNS} that one board takes")
    return [FoundRun(str(folder), folder) for folder in found]


def admit(
    found: Iterable[FoundRun],
    verify: Verify,
    admission: Admission | None = None,
    say: Callable[[int, int], None] | None = None,
) -> Board:
    """Return the board of those runs that are verified, each submission and seed once.

    Two runs of one submission and seed with the same cases.csv are a repetition: the first one stands. If
    they differ neither does, since choosing would be cherry-picking; nor do runs of one name whose
    submissions are different files.

    Args:
        found: The runs.
        verify: Checks the record of a folder.
        admission: What else a run needs.
        say: Is told how many of how many runs were looked at.
    """
    rules, runs = admission or Admission(), list(found)
    entries: list[Entry] = []
    refused: list[Refused] = []
    for number, run in enumerate(runs, 1):
        if say is not None:
            say(number, len(runs))
        if run.problems and not run.folder.is_dir():  # nothing of it could be fetched
            refused.append(Refused(run.source, "", run.problems))
            continue
        judged = _judge(run, verify(run.folder), rules)
        if isinstance(judged, Entry):
            entries.append(judged)
        else:
            refused.append(judged)
    entries.sort(key=lambda entry: (entry.submission, entry.seed, entry.source))
    standing, more = _one_each(entries)
    return Board(tuple(standing), tuple(sorted([*refused, *more], key=lambda run: run.source)))


def without(board: Board, reasons: Mapping[str, str]) -> Board:
    """Return the board without some submissions, each with the reason why."""
    gone = [
        Refused(entry.source, entry.key, (reasons[entry.submission],))
        for entry in board.entries
        if entry.submission in reasons
    ]
    kept = tuple(entry for entry in board.entries if entry.submission not in reasons)
    return replace(board, entries=kept, refused=(*board.refused, *gone))


def _is_run(path: Path) -> bool:
    return path.is_dir() and ((path / RECORD).is_file() or (path / "config.yaml").is_file())


def _judge(run: FoundRun, verdict: Verdict, rules: Admission) -> Entry | Refused:
    facts = verdict.facts if verdict.intact else {}
    owner = facts.get("submission")
    name = str(owner.get("name", "")) if isinstance(owner, Mapping) else ""
    seed = str(facts.get("seed", ""))
    reasons = [*run.problems, *verdict.problems]
    if not verdict.intact and not verdict.problems:
        reasons.append("its record is not intact")
    if verdict.intact:
        if rules.known_signer and verdict.signer != "known":
            reasons.append(f"signed by a key that is not trusted ({verdict.fingerprint or 'none'})")
        if rules.official and facts.get("official") is not True:
            reasons.append("unofficial: it ran without isolation, or was not resumed exactly")
        if not name or not seed:
            reasons.append("its record names no submission and seed")
    files = _files(run.folder / RECORD) if not reasons else {}
    if not reasons and "cases.csv" not in files:
        reasons.append("has no cases.csv")
    if reasons:
        return Refused(run.source, f"{name}, seed {seed}" if name else "", tuple(reasons))
    digest = str(owner.get("digest", "")) if isinstance(owner, Mapping) else ""
    record = hashlib.sha256((run.folder / RECORD).read_bytes()).hexdigest()
    return Entry(run.source, run.folder, name, seed, digest, verdict.fingerprint, files["cases.csv"], record)


def _files(path: Path) -> dict[str, str]:
    """Return the digests that a verified record names."""
    if path.stat().st_size > _MOST_RECORD_BYTES:
        raise TableError(
            f"{path}: is larger than {_MOST_RECORD_BYTES >> 20} MiB; no run writes such a record"
        )
    files: Any = json.loads(path.read_bytes()).get("files")
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def _one_each(entries: Sequence[Entry]) -> tuple[list[Entry], list[Refused]]:
    """Return each submission and seed once, and those that may not stand."""
    digests: dict[str, set[str]] = defaultdict(set)
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        digests[entry.submission].add(entry.submission_digest)
        groups[entry.submission, entry.seed].append(entry)
    standing: list[Entry] = []
    refused: list[Refused] = []
    for (name, _), own in groups.items():
        if len(digests[name]) > 1:
            why = f"{len(digests[name])} different submissions are called {name}; give each its own name"
            refused += [Refused(entry.source, entry.key, (why,)) for entry in own]
        elif len({entry.cases_sha256 for entry in own}) > 1:
            why = "several runs of this submission and seed differ in their cases.csv; give one of them"
            refused += [Refused(entry.source, entry.key, (why,)) for entry in own]
        else:
            standing.append(own[0])
            why = f"a repetition of {own[0].source}, with the same cases.csv"
            refused += [Refused(entry.source, entry.key, (why,)) for entry in own[1:]]
    return standing, refused
