"""The configuration of a Task 1 run: what the command line and ``--config FILE`` may say."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_core.collaborator.settings import OptTreatment
from fl_core.errors import InputError
from tasks.segmentation.training_check import check_training

SCHEMA: Literal["task1-config/1"] = "task1-config/1"
WEEK_S = 604800.0


_NOT_DECISIVE = {
    "rounds", "tracking_uri", "workers", "replay_limit_mib", "submission", "data", "init",
    "engine", "federation", "impose_outages",
}  # fmt: skip


class ConfigError(InputError):
    """A configuration that cannot be used: names the file, the key and what would do."""


class Limits(BaseModel):
    """What a submission may use.

    Attributes:
        load_s: Wall-clock seconds to load it.
        select_s: For each ``select_sites``.
        configure_s: For each ``configure_round``.
        aggregate_s: For each ``aggregate``.
        log_mib: Kept of what it prints.
        memory_mib: Address space of its process; none where nothing is said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    load_s: float = Field(default=120.0, gt=0)
    select_s: float = Field(default=60.0, gt=0)
    configure_s: float = Field(default=60.0, gt=0)
    aggregate_s: float = Field(default=300.0, gt=0)
    log_mib: float = Field(default=10.0, gt=0)
    memory_mib: int | None = Field(default=None, gt=0)


class Task1Config(BaseModel):
    """Everything that decides a run's result, and how it is computed.

    Attributes:
        submission: The participant's file or folder; none is the built-in FedAvg.
        data: Folder of cases; none is the embedded phantom.
        partition: A scheme's name or a CSV.
        institutions: For schemes that make a number of institutions.
        alpha: Concentration, for schemes that have one.
        train_fraction: Share of an institution's open cases that train.
        test_fraction: Share that stays hidden where nothing else says which.
        rounds: Rounds to train; none: what a FeTS script asks for, else the recipe's.
        epochs: Epochs a round where the strategy leaves it open; none: the recipe's.
        seed: Of every random choice.
        profile: The simulated clock.
        work_unit: What the ``fets2022`` clock charges by.
        horizon_s: Simulated seconds of the convergence score; none: a week, or the embedded default's.
        outages: A preset's name, a file, or its content.
        score_every: Every how many rounds the model is scored.
        score_kind: What the score is.
        hausdorff: Whether sites measure HD95 in every validation (slow); none: as a FeTS script asks.
        engine: How the sites' work is done: by workers (``local``), or by collaborators over mutual TLS
            (``grpc``).
        federation: The workspace of a federation whose collaborators run elsewhere; none: ``grpc`` hosts
            them on this machine.
        impose_outages: So many simulated seconds pass in a second of the clock on the wall, and outages
            happen to the connections of ``grpc``; none: in simulated time only.
        workers: Processes; none: one a core, at most one a site.
        device: Where networks run.
        isolation: How the submission is isolated: ``auto`` takes the strongest level there is.
        init: File of the initial weights.
        opt_treatment: What becomes of the sites' optimizers between rounds.
        delta_updates: Whether sites send differences.
        network: What differs from the recipe's network.
        training: What differs from the recipe's training.
        limits: What the submission may use.
        replay_limit_mib: How much of a strategy's calls is kept so that a resume can repeat them.
        tracking_uri: Of MLflow; none: an SQLite file beside the run's folder; ``off``: no tracking.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_: Literal["task1-config/1"] = Field(default=SCHEMA, alias="schema")
    submission: Path | None = None
    data: Path | None = None
    partition: str = "natural"
    institutions: int | None = Field(default=None, ge=1)
    alpha: float = Field(default=0.5, gt=0)
    train_fraction: float = Field(default=0.8, gt=0, lt=1)
    test_fraction: float = Field(default=0.15, ge=0, lt=1)
    rounds: int | None = Field(default=None, ge=1, le=100_000)
    epochs: float | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)
    profile: Literal["default", "fets2022"] = "default"
    work_unit: Literal["cases", "patches40"] = "cases"
    horizon_s: float | None = Field(default=None, gt=0)
    outages: str | dict[str, Any] = "none"
    score_every: int = Field(default=1, ge=1)
    score_kind: Literal["hard_regions", "fets2022_soft"] = "hard_regions"
    hausdorff: bool | None = None
    engine: Literal["local", "grpc"] = "local"
    federation: Path | None = None
    impose_outages: float | None = Field(default=None, gt=0)
    workers: int | None = Field(default=None, ge=1, le=1024)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    isolation: Literal["auto", "none", "L0"] = "auto"
    init: Path | None = None
    opt_treatment: OptTreatment = OptTreatment.RESET
    delta_updates: bool = False
    network: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    replay_limit_mib: float = Field(default=2048.0, ge=0)
    tracking_uri: str | None = None

    def to_yaml(self) -> bytes:
        """Return the file that repeats this run."""
        plain = self.model_dump(mode="json", by_alias=True)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None)
        return text.encode()

    def digest(self) -> str:
        """Return ``sha256:...`` of what decides the result.

        Left out is what a resume may change (rounds, tracking), what changes no byte (engine, workers,
        the replay's limit), and where files lie: their contents have digests of their own. That the sites
        are elsewhere is not left out: what they keep between rounds is then not in the checkpoint.
        """
        plain = self.model_dump(mode="json", by_alias=True, exclude=_NOT_DECISIVE)
        if self.federation is not None:
            plain["sites"] = "elsewhere"
        if self.partition.endswith(".csv"):
            del plain["partition"]
        if self.submission is not None:
            plain["submission"] = self.submission.stem
        canonical = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
        return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def read_config(path: Path) -> dict[str, Any]:
    """Return the plain values of a configuration file.

    Raises:
        ConfigError: It cannot be read, or is no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a configuration is keys and values, such as `seed: 1`")
    return content


def parse_config(values: Mapping[str, Any], source: str, options: Collection[str] = ()) -> Task1Config:
    """Return the typed configuration.

    Args:
        values: Plain values by key.
        source: Where they are from, to begin messages with.
        options: Keys that were given as options of the command line instead.

    Raises:
        ConfigError: Names the key, what is wrong and the nearest key that exists.

    Example:
        >>> parse_config({"seed": 3}, "example").seed
        3
    """
    try:
        config = Task1Config.model_validate(dict(values))
        check_training(config.training)
        _check_engine(config)
    except ValidationError as error:
        raise ConfigError(_first(error, source, options)) from error
    except InputError as error:
        raise ConfigError(f"{source}: {error}") from error
    return config


def _check_engine(config: Task1Config) -> None:
    for name in ("federation", "impose_outages"):
        if getattr(config, name) is not None and config.engine != "grpc":
            raise InputError(f"{name} needs real connections: set engine to grpc (--engine grpc)")


def _first(error: ValidationError, source: str, options: Collection[str]) -> str:
    """Say in one line which key is wrong and what would do."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"--{key.replace('_', '-')}" if key in options else f"{source}: {key}"
    if first["type"] == "extra_forbidden":
        known = Limits.model_fields if first["loc"][0] == "limits" else ["schema", *Task1Config.model_fields]
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        return f"{where} is no setting{f'; did you mean {near[0]}?' if near else ''}"
    return f"{where}: {first['msg']}, got {str(first['input'])!r:.80}"
