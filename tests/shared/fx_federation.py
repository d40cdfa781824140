"""A federation of processes, each killed and started again as a test wants it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from plan_run import run_plan
from workspaces import Federation, Process, fx_done

from fl_core.tensors.codec import encode

AGGREGATOR = "aggregator"
DYING = Path(__file__).with_name("dying_fx.py")


def edit_plan(federation: Federation, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the plan of all parties alike; it gets a new hash, the initial weights of the plan stay."""
    for workspace in (federation.aggregator, *map(federation.site, federation.sites)):
        path = workspace / "plan" / "plan.yaml"
        plan = yaml.safe_load(path.read_text())
        change(plan)
        path.write_text(yaml.safe_dump(plan))
    fx_done("plan", "freeze", cwd=federation.aggregator)


def reweigh(federation: Federation) -> None:
    """Make the initial weights anew after the model changed, and give them to all parties."""
    fx_done("plan", "initialize", "-a", "localhost", cwd=federation.aggregator)
    plan = federation.aggregator / "plan" / "plan.yaml"
    weights = federation.aggregator / "save" / "init.safetensors"
    for workspace in map(federation.site, federation.sites):
        shutil.copy(plan, workspace / "plan" / "plan.yaml")
        shutil.copy(weights, workspace / "save" / "init.safetensors")


def only(federation: Federation, *sites: str) -> Federation:
    """Return the federation with some of its sites; the others are not authorised either."""
    listed = yaml.safe_dump({"collaborators": list(sites)})
    (federation.aggregator / "plan" / "cols.yaml").write_text(listed)
    return Federation(federation.folder, sites)


def enrol(federation: Federation, name: str, data: str) -> Federation:
    """Let a further site in: import, request, signature, import of the reply; it has the plan of now."""
    home = federation.site(name).parent
    home.mkdir()
    fx_done("workspace", "import", "--archive", str(federation.aggregator / "W.zip"), cwd=home)
    fx_done("collaborator", "generate-cert-request", "-n", name, "-d", data, cwd=home / "W")
    package = home / "W" / f"col_{name}_to_agg_cert_request.zip"
    fx_done("collaborator", "certify", "--request-pkg", str(package), "--silent", cwd=federation.aggregator)
    reply = federation.aggregator / f"agg_to_col_{name}_signed_cert.zip"
    fx_done("collaborator", "certify", "--import", str(reply), cwd=home / "W")
    shutil.copy(federation.aggregator / "plan" / "plan.yaml", home / "W" / "plan" / "plan.yaml")
    return Federation(federation.folder, (*federation.sites, name))


class Parties:
    """The processes of one federation; see `parties`.

    Args:
        federation: Whose.
        linger_s: Seconds for which the aggregator tells of the end.
    """

    def __init__(self, federation: Federation, linger_s: float = 30.0) -> None:
        self.federation = federation
        self.linger_s = linger_s
        self.processes: dict[str, Process] = {}

    def words(self, party: str) -> tuple[str, ...]:
        """Return the command that starts a party."""
        if party == AGGREGATOR:
            return ("aggregator", "start", "--linger", f"{self.linger_s:g}")
        return ("collaborator", "start", "-n", party)

    def folder(self, party: str) -> Path:
        """Return a party's workspace."""
        return self.federation.aggregator if party == AGGREGATOR else self.federation.site(party)

    def start(self, *parties: str, words: Sequence[str] = ()) -> None:
        """Start parties, the aggregator and all sites where none is named, with further words."""
        for party in parties or (AGGREGATOR, *self.federation.sites):
            self.processes[party] = Process.start(*self.words(party), *words, cwd=self.folder(party))

    def start_dying(self, party: str, step: int, kind: str = "", tear: bool = False) -> Path:
        """Start a party that kills itself at a step of its files, see `dying_fx`; return its steps' list."""
        folder = self.folder(party)
        log = folder.parent / f"{folder.parent.name}-dying.log"
        steps = folder.parent / "steps.txt"
        steps.unlink(missing_ok=True)
        command = [sys.executable, str(DYING), str(step), kind, "tear" if tear else "before", str(steps)]
        with log.open("ab") as file:
            environment = {name: v for name, v in os.environ.items() if not name.startswith("GRPC_")}
            popen = subprocess.Popen(
                [*command, *self.words(party)], cwd=folder, stdout=file, stderr=file, env=environment
            )
        self.processes[party] = Process(popen, log)
        return steps

    def kill(self, party: str) -> None:
        """``kill -9``."""
        self.processes[party].kill()

    def running(self, party: str) -> bool:
        """Return whether a party's process has not ended."""
        return self.processes[party].popen.poll() is None

    def text(self, party: str) -> str:
        """Return what all processes of a party said."""
        return self.processes[party].text

    def end(self, timeout: float = 120.0) -> dict[str, int]:
        """Wait until all have ended; return the exit codes."""
        return {party: process.end(timeout) for party, process in self.processes.items()}

    def end_well(self, timeout: float = 120.0) -> None:
        """Wait until all have ended, each with exit code 0 and no traceback."""
        codes = self.end(timeout)
        texts = {party: self.text(party) for party in codes}
        assert set(codes.values()) == {0}, (codes, texts)
        assert not any("Traceback" in text for text in texts.values()), texts


@contextmanager
def parties(federation: Federation, linger_s: float = 30.0) -> Iterator[Parties]:
    """Yield the parties of a federation; at the end none of them runs any more."""
    made = Parties(federation, linger_s)
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.kill()


def run(federation: Federation, *, linger_s: float = 30.0, timeout: float = 120.0) -> Parties:
    """Run a whole federation and see that every process ends well."""
    with parties(federation, linger_s) as made:
        made.start()
        made.end_well(timeout)
    return made


def wait_until(what: str, holds: Callable[[], bool], timeout: float = 60.0, every_s: float = 0.01) -> float:
    """Wait until something holds; return the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout, f"not within {timeout:g} s: {what}"
        time.sleep(every_s)
    return time.monotonic() - began


def models(federation: Federation) -> dict[str, bytes]:
    """Return the bytes of the best and the last model."""
    plan = yaml.safe_load((federation.aggregator / "plan" / "plan.yaml").read_text())
    settings = {
        "best_state_path": "save/best.safetensors",
        "last_state_path": "save/last.safetensors",
        **plan["aggregator"].get("settings", {}),
    }
    return {
        which: (federation.aggregator / settings[f"{which}_state_path"])
        .with_suffix(".safetensors")
        .read_bytes()
        for which in ("best", "last")
    }


def in_one_process(federation: Federation, data: dict[str, str] | None = None) -> bytes:
    """Return the bytes of the last model of the same plan, run in this process without network."""
    sites = data or dict.fromkeys(federation.sites, "1")
    return encode(run_plan(federation.aggregator, sites).model)


def rows(federation: Federation, table: str = "rounds") -> list[dict[str, str]]:
    """Return the rows of a table that the aggregator wrote."""
    with (federation.aggregator / "logs" / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows without what no two runs have in common."""
    return [{name: value for name, value in row.items() if name != "wall_s"} for row in found]
