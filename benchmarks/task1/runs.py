"""The runs of the rivals, each in a folder of its own, none of them made twice."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.task1.rivals import Rival, fedavg, local, pooled
from challenge.config import parse_config, read_config
from challenge.records.record import read_facts
from challenge.task1.world import steps
from fl_core.errors import FederationError, InputError
from partitions.table import Partition, read_partition
from tasks.task1_aggregation.clock.base import work_done

Run = Callable[[Path, Path], None]
"""Runs the configuration of a file in a folder, or goes on with what the folder holds."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a rival reached with one seed.

    Attributes:
        rival: Its name.
        seed: The run's seed.
        dice: Validation Dice of the best model by region (``wt``, ``tc``, ``et``), over all cases.
        score: The best validation score.
        rounds: Rounds played.
        simulated_s: Simulated seconds.
        wall_s: Wall-clock seconds of the process that finished the run.
        digests: Of ``data``, ``split`` and the best ``model``.
    """

    rival: str
    seed: int
    dice: Mapping[str, float]
    score: float
    rounds: int
    simulated_s: float
    wall_s: float
    digests: Mapping[str, str]


def compete(
    seed: int, values: Mapping[str, Any], version: str, out: Path, run: Run, say: Say
) -> list[Outcome]:
    """Run FedAvg, pooled training and every institution alone with one seed.

    Args:
        seed: Of the runs.
        values: Of the configuration of all runs.
        version: Of the code; a run of another one does not count.
        out: Where the runs are kept; those that are finished are not run again.
        run: Runs a configuration.
        say: Told what is being run.

    Returns:
        FedAvg first, then pooled, then the institutions in the order of their names.

    Raises:
        InputError: A run in the folder was made from something else.
        FederationError: A run failed, or two runs of the seed saw different data.
    """
    folder = out / f"seed-{seed}"
    common = {"tracking_uri": "off", **values, "seed": seed}
    first = finished(fedavg(common), version, folder, run, say)
    home = folder / first.rival
    split = read_partition(home / "partition.csv")
    others = [pooled(common, split, first.rounds, batches_a_round(home, split))]
    for number, site in enumerate(split.institutions, start=1):
        others.append(local(common, split, first.rounds, number, site))
    outcomes = [first, *(finished(rival, version, folder, run, say) for rival in others)]
    if len({outcome.digests["data"] for outcome in outcomes}) != 1:
        raise FederationError(f"{folder}: its runs saw different data; remove the folder and start again")
    return outcomes


def finished(rival: Rival, version: str, folder: Path, run: Run, say: Say) -> Outcome:
    """Return what a rival reached, running it unless that was done before.

    Raises:
        InputError: The folder has a run of this name that was made from something else.
        FederationError: The run failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _folder_name(rival, folder)
    config = folder / f"{target.name}.yaml"
    request = folder / f"{target.name}.request.json"
    wanted = _request(rival, version)
    _check_same(request, wanted)
    for name, content in rival.files.items():
        (folder / name).write_bytes(content)
    config.write_text(yaml.safe_dump(dict(rival.values), sort_keys=True), encoding="utf-8")
    request.write_text(json.dumps(wanted, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if (target / "record.json").is_file():
        say(f"{target}: finished before")
    else:
        say(f"{target}: runs")
        run(config, target)
    return _outcome(rival, target)


def batches_a_round(run: Path, split: Partition) -> int:
    """Return the optimisation steps of a round of FedAvg, all institutions together."""
    config = parse_config(read_config(run / "config.yaml"), str(run / "config.yaml"))
    trained = [sum(row.part == "train" for row in rows) for rows in split.institutions.values()]
    return sum(work_done(config.epochs, None, steps(config, n_train)) for n_train in trained)


def through_the_command(options: Sequence[str]) -> Run:
    """Return what runs ``challenge run task1`` as a user does, its output in a file beside the folder.

    Args:
        options: Further ones, for new runs.
    """

    def run(config: Path, out: Path) -> None:
        what = ["--resume", str(out)]
        if not (out / "config.yaml").is_file():
            what = ["--config", str(config), "--out", str(out), *options]
        log = out.with_suffix(".log")
        with log.open("ab") as stream:
            command = [sys.executable, "-P", "-m", "challenge.cli.main", "run", "task1", *what]
            code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
        if code:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise FederationError(f"{out}: the run ended with exit code {code}: {' '.join(last)} ({log})")

    return run


def _folder_name(rival: Rival, folder: Path) -> str:
    """Return the rival's name where it can be a folder's, else the name of its submission."""
    plain = all(character.isalnum() or character in "-_" for character in rival.name)
    return rival.name if plain else Path(str(rival.values["submission"])).stem


def _request(rival: Rival, version: str) -> dict[str, Any]:
    """Return what decides a run's result, as plain values."""
    request = {
        "values": dict(rival.values),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in rival.files.items()},
        "version": version,
    }
    plain: dict[str, Any] = json.loads(json.dumps(request))
    return plain


def _check_same(path: Path, wanted: Mapping[str, Any]) -> None:
    if not path.is_file():
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(name for name in wanted if there.get(name) != wanted[name])
    if changed:
        raise InputError(
            f"{path}: this run was made from something else ({', '.join(changed)} changed); "
            "name another --out, or remove the folder of the seed"
        )


def _outcome(rival: Rival, run: Path) -> Outcome:
    facts = read_facts(run)
    results = facts["results"]
    return Outcome(
        rival=rival.name,
        seed=int(facts["seed"]),
        dice={r: float(results.get(f"validation_dice_{r}", math.nan)) for r in ("wt", "tc", "et")},
        score=float(results["best_score"]),
        rounds=int(facts["rounds"]),
        simulated_s=float(results["simulated_time_s"]),
        wall_s=float(facts["wall_s"]),
        digests={
            "data": str(facts["identity"]["data"]),
            "split": str(facts["identity"]["split"]),
            "model": str(facts["best_model"]),
        },
    )
