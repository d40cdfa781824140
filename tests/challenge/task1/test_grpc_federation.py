"""Task 1 over collaborators started by hand: folders that stand for machines, every step as it is printed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from plus_one_engine import results
from workspaces import fx_done

CHALLENGE = str(Path(sys.executable).with_name("challenge"))
FX = str(Path(sys.executable).with_name("fx"))
SITES = ("1", "2", "3")


def options(data: Path, *more: str) -> list[str]:
    words = ["--data", str(data), "--rounds", "2", "--seed", "3", "--outages", "severe", "--device", "cpu"]
    return [CHALLENGE, "run", "task1", *words, "--tracking-uri", "off", *more]


@dataclass
class Machines:
    """A folder for each machine, with what runs there."""

    folder: Path
    data: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def organizer(self) -> Path:
        return self.folder / "organizer" / "W"

    def site(self, name: str) -> Path:
        return self.folder / f"site-{name}" / "W"

    def own_data(self, name: str) -> Path:
        """Return a site's data: for one site a folder of its own cases alone, for others all of it."""
        if name != "3":
            return self.data
        lines = (self.data / "partition.csv").read_text().splitlines()[1:]
        own = [line.split(",")[1] for line in lines if line.split(",")[0] == name]
        folder = self.folder / f"site-{name}" / "cases"
        for case in own:
            shutil.copytree(self.data / case, folder / case)
        shutil.copy(self.organizer / "sites" / f"{name}.csv", folder / "partition.csv")
        return folder

    def start(self, words: list[str], machine: Path) -> subprocess.Popen[bytes]:
        environment = {name: v for name, v in os.environ.items() if not name.startswith("GRPC_")}
        environment["CHALLENGE_HOME"] = str(machine.parent / "home")
        with (machine.parent / "log").open("ab") as log:
            process = subprocess.Popen(words, cwd=machine, stdout=log, stderr=log, env=environment)
        self.running.append(process)
        return process

    def start_site(self, name: str) -> subprocess.Popen[bytes]:
        return self.start([FX, "collaborator", "start", "-n", name], self.site(name))

    def end_well(self, *processes: subprocess.Popen[bytes], timeout_s: float = 300.0) -> None:
        """Wait until all have ended, each with exit code 0; the first that does not is told at once."""
        until = time.monotonic() + timeout_s
        while (codes := [process.poll() for process in processes]) != [0] * len(processes):
            logs = [self.log(self.organizer), *(self.log(self.site(name)) for name in SITES)]
            assert set(codes) <= {0, None} and time.monotonic() < until, (codes, logs)
            time.sleep(0.1)

    def log(self, machine: Path) -> str:
        return (machine.parent / "log").read_text()


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Machines:
    made = Machines(tmp_path_factory.mktemp("machines"), tiny_data)
    made.organizer.parent.mkdir()
    subprocess.run(
        options(tiny_data, "--export-workspace", str(made.organizer)), check=True, capture_output=True
    )
    fx_done("plan", "initialize", "-a", "localhost", cwd=made.organizer)
    fx_done("workspace", "certify", cwd=made.organizer)
    fx_done("aggregator", "generate-cert-request", "--fqdn", "localhost", cwd=made.organizer)
    fx_done("aggregator", "certify", "--fqdn", "localhost", "--silent", cwd=made.organizer)
    fx_done("workspace", "export", cwd=made.organizer)
    for name in SITES:
        home = made.site(name).parent
        home.mkdir()
        fx_done("workspace", "import", "--archive", str(made.organizer / "W.zip"), cwd=home)
        data = str(made.own_data(name))
        fx_done("collaborator", "generate-cert-request", "-n", name, "-d", data, cwd=made.site(name))
        request = made.site(name) / f"col_{name}_to_agg_cert_request.zip"
        fx_done("collaborator", "certify", "--request-pkg", str(request), "--silent", cwd=made.organizer)
        reply = made.organizer / f"agg_to_col_{name}_signed_cert.zip"
        fx_done("collaborator", "certify", "--import", str(reply), cwd=made.site(name))
    return made


@pytest.fixture
def machines(certified: Machines) -> Iterator[Machines]:
    yield certified
    for process in certified.running:
        process.kill()
        process.wait()
    certified.running.clear()
    for name in SITES:
        shutil.rmtree(certified.site(name) / "state", ignore_errors=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("local") / "run"
    subprocess.run(options(tiny_data, "--out", str(out)), check=True, capture_output=True)
    return tables(out)


def tables(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in results(folder).items() if name != "config.yaml"}


def led(machines: Machines, out: Path, *more: str) -> list[str]:
    words = ["--engine", "grpc", "--federation", str(machines.organizer), "--out", str(out)]
    return options(machines.data, *words, *more)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_organizer_and_three_sites_give_the_bytes_of_one_process(
    tmp_path: Path, machines: Machines, local: dict[str, bytes]
) -> None:
    organizer = machines.start(led(machines, tmp_path / "run"), machines.organizer)
    sites = [machines.start_site(name) for name in SITES]

    machines.end_well(organizer, *sites)
    assert tables(tmp_path / "run") == local
    assert "the run of Task 1 is over" in machines.log(machines.site("3"))
    assert subprocess.run([CHALLENGE, "verify", str(tmp_path / "run")], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_organizer_and_site_killed_and_started_again_give_the_same_bytes(
    tmp_path: Path, machines: Machines, local: dict[str, bytes]
) -> None:
    out = tmp_path / "run"
    organizer = machines.start(led(machines, out), machines.organizer)
    sites = {name: machines.start_site(name) for name in SITES}
    until = time.monotonic() + 200
    while not (out / "rounds.csv").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(organizer.pid, signal.SIGKILL)
    os.kill(sites["2"].pid, signal.SIGKILL)
    organizer.wait()
    sites["2"].wait()

    words = [CHALLENGE, "run", "task1", "--resume", str(out)]
    organizer = machines.start(words, machines.organizer)
    sites["2"] = machines.start_site("2")

    machines.end_well(organizer, *sites.values())
    assert tables(out) == local
