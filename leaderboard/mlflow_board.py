"""The runs of an MLflow experiment, fetched to be verified: what MLflow says of them is only compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from leaderboard.board import FoundRun
from leaderboard.errors import TableError, TrackingError
from leaderboard.names import without_password
from leaderboard.shown_numbers import differences, site_differences
from leaderboard.tracked_run import PARENT_TAG, SITE_PARAMETER

_MOST_BYTES = 8 * 2**30
_MOST_FILES = 10_000
_MOST_RUNS = 10_000
_PAGE = 100


def mlflow_runs(
    client: Any, experiment: str, into: Path, say: Callable[[int, int], None] | None = None
) -> list[FoundRun]:
    """Fetch the files of all finished runs of an experiment and compare what is shown with them.

    Args:
        client: An ``MlflowClient``.
        experiment: Its name.
        into: An empty folder; each run's files go into one of their own.
        say: Is told how many of how many runs were fetched.

    Raises:
        TrackingError: There is no such experiment.
    """
    found = client.get_experiment_by_name(experiment)
    if found is None:
        known = ", ".join(sorted(each.name for each in client.search_experiments())[:20])
        raise TrackingError(f"there is no MLflow experiment {experiment!r}; there are: {known}")
    runs = list(_all_runs(client, found.experiment_id))
    parents = [run for run in runs if PARENT_TAG not in run.data.tags]
    fetched = []
    for number, run in enumerate(sorted(parents, key=lambda run: str(run.info.run_id)), 1):
        children = [each for each in runs if each.data.tags.get(PARENT_TAG) == run.info.run_id]
        fetched.append(_fetch(client, run, children, into))
        if say is not None:
            say(number, len(parents))
    return fetched


def _fetch(client: Any, run: Any, children: list[Any], into: Path) -> FoundRun:
    from mlflow.exceptions import MlflowException

    identity = str(run.info.run_id)
    source = f"MLflow run {identity}"
    if not re.fullmatch(r"[0-9a-f]{32}", identity):
        raise TrackingError(f"the store names a run {identity[:40]!r}, which is no id of MLflow's")
    folder = into / identity
    if run.info.status != "FINISHED":
        return FoundRun(source, folder, (f"is not finished ({run.info.status})",))
    folder.mkdir()
    try:
        _check_artifacts(client, identity)
        client.download_artifacts(identity, "", str(folder))
        problems = differences(_history(client, run), run.data.params, folder)
        for child in children:
            site = child.data.params.get(SITE_PARAMETER, "")
            problems += site_differences(_history(client, child), site, folder)
    except (MlflowException, OSError, TableError) as error:
        problems = [without_password(" ".join(f"cannot be read: {error}".split())[:300])]
    return FoundRun(source, folder, tuple(problems))


def _all_runs(client: Any, experiment_id: str) -> Iterator[Any]:
    token, seen = None, 0
    while True:
        page = client.search_runs([experiment_id], max_results=_PAGE, page_token=token)
        seen += len(page)
        if seen > _MOST_RUNS * _PAGE:
            raise TrackingError(f"the experiment has more than {_MOST_RUNS * _PAGE} runs")
        yield from page
        token = page.token
        if not token:
            return


def _history(client: Any, run: Any) -> dict[str, list[tuple[int, float]]]:
    return {
        name: [(entry.step, entry.value) for entry in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def _check_artifacts(client: Any, identity: str) -> None:
    """Refuse names that lead out of the folder, and more than a run can have, before anything is fetched."""
    todo, files, size = [""], 0, 0
    while todo:
        for entry in client.list_artifacts(identity, todo.pop()):
            parts = PurePosixPath(entry.path).parts
            if not parts or entry.path.startswith("/") or ".." in parts or "\\" in entry.path:
                raise TableError(f"artifact {entry.path[:80]!r}: its name leads out of the run's folder")
            files += 1
            if entry.is_dir:
                todo.append(entry.path)
            size += entry.file_size or 0
            if files > _MOST_FILES or size > _MOST_BYTES:
                raise TableError(f"has more than {_MOST_FILES} files or {_MOST_BYTES >> 30} GiB")
