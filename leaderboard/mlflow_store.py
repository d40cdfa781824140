"""The MLflow store: created once, under a lock, with the experiment in it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leaderboard.errors import TrackingError
from leaderboard.names import without_password

_SQLITE = "sqlite:///"


def default_tracking_uri(runs_folder: Path) -> str:
    """Return the address of the SQLite store in the folder of all runs.

    Raises:
        TrackingError: The folder's name has a question mark, where an address ends.

    Example:
        >>> default_tracking_uri(Path("/srv/runs"))
        'sqlite:////srv/runs/mlflow.db'
    """
    store = str(runs_folder.absolute() / "mlflow.db")
    if "?" in store:
        raise TrackingError(
            f"{store}: a question mark ends an address; rename the folder or give a tracking URI"
        )
    return _SQLITE + store


def connect(uri: str, experiment: str, lock_folder: Path, template_folder: Path | None) -> tuple[Any, str]:
    """Return an MLflow client and the id of the experiment, both made where they are missing.

    Of several processes one makes the store and the others wait: the migrations of a new store do not
    bear company. A new SQLite store is copied from a template where there is one, which spares the
    seconds that the migrations take.

    Args:
        uri: A tracking URI of MLflow.
        experiment: Its name.
        lock_folder: Where the lock lies; the same for all processes that use the store.
        template_folder: Where an empty store of this MLflow version is kept; None for no template.

    Raises:
        TrackingError: The experiment was deleted.
        OSError: A folder cannot be written.
    """
    _configure_mlflow()
    from mlflow import MlflowClient

    if uri.startswith(("http://", "https://")):
        client = MlflowClient(tracking_uri=uri)
        return client, _experiment_id(client, experiment, None)
    with _locked(lock_folder):
        store = _sqlite_path(uri)
        if store is None:
            # Without a place of its own MLflow would put artifacts into whatever the working folder is.
            client = MlflowClient(tracking_uri=uri)
            return client, _experiment_id(
                client, experiment, (lock_folder.absolute() / "mlartifacts").as_uri()
            )
        store.parent.mkdir(parents=True, exist_ok=True)
        artifacts = store.absolute().parent / "mlartifacts"
        new = not store.exists()
        if new and template_folder is not None:
            new = not _copy_template(template_folder, store, artifacts)
        client = MlflowClient(tracking_uri=uri)
        if new and template_folder is not None:
            _keep_template(template_folder, store)
        return client, _experiment_id(client, experiment, artifacts.as_uri())


def reading_client(uri: str) -> Any:
    """Return a client of a store that exists; nothing is made.

    Raises:
        TrackingError: An SQLite store is not there.
    """
    store = _sqlite_path(uri)
    if store is not None and not store.is_file():
        raise TrackingError(f"{without_password(uri)}: there is no such store; check the tracking URI")
    _configure_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _configure_mlflow() -> None:
    """Set what MLflow takes only from the environment and from logging; the user's own settings win."""
    # A hospital's machine is not to report its use; and a server that is down is to be noticed in
    # seconds, as the tracker tries again by itself.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    import mlflow  # noqa: F401  (its loggers get their levels on import)

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)  # failures come as `Tracker.problems`


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".mlflow.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file releases the lock, also when the process dies


def _sqlite_path(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE).split("?")[0]) if uri.startswith(_SQLITE) else None


def _experiment_id(client: Any, name: str, artifact_location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process was faster
    if found is None or found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the MLflow experiment {name!r} was deleted; restore it with `mlflow experiments restore`"
        )
    return str(found.experiment_id)


def _template_path(folder: Path) -> Path:
    from mlflow.version import VERSION

    return folder / f"mlflow-{VERSION}.db"


def _copy_template(folder: Path, store: Path, artifacts: Path) -> bool:
    """Make `store` from the template; return whether there was a sound one."""
    template = _template_path(folder)
    if not template.exists():
        return False
    temporary = store.with_name(f".{store.name}.{secrets.token_hex(8)}")
    try:
        _copy_database(template, temporary)
        with contextlib.closing(sqlite3.connect(temporary)) as copy, copy:
            # MLflow's own experiment "Default" still points to where the template was made.
            copy.execute("UPDATE experiments SET artifact_location = ?", (f"{artifacts.as_uri()}/0",))
        temporary.replace(store)
    except sqlite3.Error:
        template.unlink(missing_ok=True)  # damaged; the migrations make the store and a new template
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _keep_template(folder: Path, store: Path) -> None:
    """Keep a store that was made a moment ago, and holds nothing yet, as the template."""
    template = _template_path(folder)
    temporary = template.with_name(f".{template.name}.{secrets.token_hex(8)}")
    # A cache only: a folder that cannot be written costs seconds, not the run.
    with contextlib.suppress(OSError, sqlite3.Error):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _copy_database(store, temporary)
            temporary.replace(template)
        finally:
            temporary.unlink(missing_ok=True)


def _copy_database(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
