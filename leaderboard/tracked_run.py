"""One run in MLflow: parameters written once, every metric of a round once, artifacts, status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaderboard.names import mlflow_name, parameter_value
from leaderboard.outbox import Message

RUN_KEY_TAG = "fedbrats.run_key"
PARENT_TAG = "mlflow.parentRunId"
SITE_PARAMETER = "site"
_ITEMS_A_CALL = 100  # MLflow takes at most 100 parameters or tags and 1000 metrics in one call
_REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")  # sending it again would not help
_NOT_AN_ARTIFACT = "checkpoint"


def open_run(
    client: Any, experiment_id: str, run_name: str, run_id: str | None, run_key: str | None
) -> TrackedRun:
    """Return the run of that id, else the one with that key, else a new one.

    A run that is not in this store (another tracking URI) or was deleted there is begun anew.

    Args:
        client: An ``MlflowClient``.
        experiment_id: Where a new run goes.
        run_name: What the board shows.
        run_id: From a checkpoint.
        run_key: Unique name of the run that outlives a crash, kept as a tag.
    """
    found = _run_by_id(client, run_id) if run_id else None
    if found is None and run_key is not None:
        quoted = run_key.replace("'", "_")
        matches = client.search_runs([experiment_id], f"tags.`{RUN_KEY_TAG}` = '{quoted}'", max_results=1)
        found = matches[0] if matches else None
    if found is None:
        tags = {} if run_key is None else {RUN_KEY_TAG: run_key.replace("'", "_")}
        found = client.create_run(experiment_id, run_name=run_name, tags=tags)
    elif found.info.status != "RUNNING":
        client.update_run(found.info.run_id, status="RUNNING")
    return TrackedRun(client, found)


def _run_by_id(client: Any, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


class TrackedRun:
    """Delivers messages to one run of MLflow; delivering one again changes nothing.

    Attributes:
        run_id: MLflow's id of the run.
    """

    def __init__(self, client: Any, run: Any) -> None:
        self._client = client
        self.run_id: str = run.info.run_id
        self._experiment_id: str = run.info.experiment_id
        self._params: dict[str, str] = dict(run.data.params)
        self._logged: dict[str, set[int]] = defaultdict(set)
        self._not_finite: dict[str, dict[int, str]] = defaultdict(dict)
        for name in run.data.metrics:
            self._logged[name] = {entry.step for entry in client.get_metric_history(self.run_id, name)}

    def deliver(self, message: Message) -> list[str]:
        """Tell MLflow; return what it had to leave out, in words.

        Raises:
            MlflowException: The store cannot be reached or failed; what it refuses is left out.
            OSError: An artifact cannot be read or copied.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self._deliver(message)
        except MlflowException as error:
            if error.error_code not in _REFUSALS:
                raise
            return [f"MLflow refused {message.kind}: {' '.join(str(error).split())[:300]}"]

    def _deliver(self, message: Message) -> list[str]:
        content = message.content
        if message.kind == "params":
            return self._log_params(content)
        if message.kind == "round":
            return self._log_round(content)
        if message.kind == "site":
            return self._log_site(content["site"], content["rounds"])
        if message.kind == "artifacts":
            return self._log_artifacts(Path(content["folder"]))
        if message.kind == "tags":
            self._log_tags(content)
        elif message.kind == "finish":
            self._client.set_terminated(self.run_id, content["status"], content["time_ms"])
        return []

    def _log_params(self, params: Mapping[str, Any]) -> list[str]:
        from mlflow.entities import Param

        left_out: list[str] = []
        new: dict[str, str] = {}
        for name, value in params.items():
            key, text = mlflow_name(name), parameter_value(value)
            old = self._params.get(key, new.get(key))
            if old is None:
                new[key] = text
            elif old != text:
                left_out.append(f"parameter {key} is written once: it stays {old[:80]!r}, not {text[:80]!r}")
        entries = list(new.items())
        for start in range(0, len(entries), _ITEMS_A_CALL):
            part = entries[start : start + _ITEMS_A_CALL]
            self._client.log_batch(self.run_id, params=[Param(key, text) for key, text in part])
            self._params.update(part)
        return left_out

    def _log_tags(self, tags: Mapping[str, Any]) -> None:
        from mlflow.entities import RunTag

        entries = [RunTag(mlflow_name(name), parameter_value(value)) for name, value in tags.items()]
        for start in range(0, len(entries), _ITEMS_A_CALL):
            self._client.log_batch(self.run_id, tags=entries[start : start + _ITEMS_A_CALL])

    def _log_round(self, content: Mapping[str, Any]) -> list[str]:
        from mlflow.entities import Metric

        step, time_ms = int(content["step"]), int(content["time_ms"])
        left_out: list[str] = []
        values: dict[str, float] = {}
        for name, value in content["metrics"].items():
            key = mlflow_name(name)
            if key in values:
                left_out.append(f"metric {name!r} of round {step}: its name in MLflow, {key!r}, is taken")
            else:
                values[key] = float(value)
        new = {key: value for key, value in values.items() if step not in self._logged[key]}
        if new:
            self._client.log_batch(
                self.run_id, metrics=[Metric(key, value, time_ms, step) for key, value in new.items()]
            )
            for key in new:
                self._logged[key].add(step)
        if content["not_finite"]:
            self._tag_not_finite(step, content["not_finite"])
        return left_out

    def _log_site(self, site: str, rounds: Sequence[Mapping[str, Any]]) -> list[str]:
        """Log the rounds of a site in its own run, which is found again by its parent and name."""
        quoted = site.replace("'", "_")
        query = f"tags.`{PARENT_TAG}` = '{self.run_id}' and tags.`{RUN_KEY_TAG}` = '{quoted}'"
        found = self._client.search_runs([self._experiment_id], query, max_results=1)
        tags = {PARENT_TAG: self.run_id, RUN_KEY_TAG: quoted}
        run = found[0] if found else self._client.create_run(self._experiment_id, run_name=site, tags=tags)
        own = TrackedRun(self._client, run)
        left_out = own._log_params({SITE_PARAMETER: site})
        for content in rounds:
            left_out += own._log_round(content)
        self._client.set_terminated(own.run_id, "FINISHED")
        return [f"site {site}: {line}" for line in left_out]

    def _tag_not_finite(self, step: int, values: Mapping[str, str]) -> None:
        """Name the rounds without a finite value in a tag: MLflow would store 1.8e308 or sort NaN last."""
        tags = {}
        for name, text in values.items():
            key = mlflow_name(f"not_finite.{name}")
            self._not_finite[key][step] = text
            tags[key] = ", ".join(f"round {at}: {word}" for at, word in sorted(self._not_finite[key].items()))
        self._log_tags(tags)

    def _log_artifacts(self, folder: Path) -> list[str]:
        """Upload every file but those under ``checkpoint/``; links are left out."""
        left_out = []
        for path in sorted(folder.rglob("*")):
            place = path.relative_to(folder)
            if place.parts[0] == _NOT_AN_ARTIFACT or path.is_dir():
                continue
            if path.is_symlink():
                left_out.append(f"{path} is a symbolic link and is not uploaded")
                continue
            inside = place.parent.as_posix()
            self._client.log_artifact(self.run_id, str(path), None if inside == "." else inside)
        return left_out
