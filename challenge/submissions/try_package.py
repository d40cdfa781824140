"""Runs a model package on toy cases exactly as a site will."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from challenge.submissions.toy_data import write_toy_data
from challenge.submissions.trial import Trial
from challenge.task2.evaluation import evaluate_package
from challenge.task2.package_limits import PackageLimits
from partitions.case import find_cases
from tasks.task2_evaluation.evaluate import CaseResult
from tasks.task2_evaluation.package import opened_package

TOY_CASES: Final = 3
LAST_LINES: Final = 20
_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "return labels from predict, or write OUTPUT/CASE.nii.gz for every case",
    "unreadable": "write the mask as a NIfTI file, complete, before the program ends",
    "geometry": "give the mask the case's own grid: the same shape (z, y, x), in NIfTI CopyInformation",
    "labels": "return only 0, 1, 2 and 4 (BraTS 2023's 3 is 4 here), best as uint8",
    "timeout": "make it faster, or ask the organizer for the limits of the sites",
    "crashed": "see what it printed below",
}
_EMPTY_RECALL: Final = 0.0


def try_package(
    path: Path, limits: PackageLimits, progress: Callable[[int, int], None] = lambda done, total: None
) -> Trial:
    """Open a package and evaluate it on the toy cases.

    Args:
        path: A folder or an archive.
        limits: What it may use.
        progress: Called with (cases done, cases in all).

    Raises:
        PackageError, ArchiveError: It cannot even be opened.
    """
    with TemporaryDirectory(prefix="toy-") as place, opened_package(path) as package:
        write_toy_data(Path(place) / "data")
        cases = find_cases(Path(place) / "data").cases[:TOY_CASES]
        log = Path(place) / "package.log"
        results = evaluate_package(package, cases, log=log, limits=limits, progress=progress)
        printed = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
        size = sum(file.size for file in package.files)
        lines = [
            f"package {package.manifest.name} of {package.manifest.team}, lane {package.manifest.lane}, "
            f"{len(package.files)} files, {size} bytes",
            f"digest {package.digest}",
            *(_line(one) for one in results),
        ]
    failed = [one for one in results if one.status != "ok"]
    if not failed and all(one.values["sensitivity_wt"] == _EMPTY_RECALL for one in results):
        lines.append("note: no tumour was found in any toy case")
    return Trial(tuple(lines), _problems(failed), tuple(printed[-LAST_LINES:]) if failed else ())


def _line(one: CaseResult) -> str:
    if one.status != "ok":
        return f"{one.case}: {one.status}"
    dice = " ".join(f"{region} {one.values[f'dice_{region}']:.2f}" for region in ("wt", "tc", "et"))
    return f"{one.case}: ok, {one.seconds:.1f} s, Dice {dice}"


def _problems(failed: list[CaseResult]) -> tuple[str, ...]:
    """Return each kind of failure once, with the cases that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in failed:
        found.setdefault((one.status, one.reason), []).append(one.case)
    return tuple(
        f"{', '.join(cases)}: {status}: {reason}; {_REMEDIES[status]}"
        for (status, reason), cases in found.items()
    )
