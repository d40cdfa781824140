"""Workspaces of one federation, made by the commands as an organizer and hospitals call them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

FX = Path(sys.executable).with_name("fx")


def fx(*words: str, cwd: Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run ``fx`` in a folder."""
    return subprocess.run([FX, *words], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)


def fx_done(*words: str, cwd: Path) -> str:
    """Run ``fx`` in a folder and see that it succeeds; return what it said."""
    done = fx(*words, cwd=cwd)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Process:
    """A started command whose output goes to a file."""

    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, *words: str, cwd: Path) -> Process:
        log = cwd.parent / f"{cwd.parent.name}-{'-'.join(w.strip('-') for w in words[:2])}.log"
        with log.open("ab") as file:
            environment = {name: v for name, v in os.environ.items() if not name.startswith("GRPC_")}
            return cls(
                subprocess.Popen([FX, *words], cwd=cwd, stdout=file, stderr=file, env=environment), log
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str, times: int = 1, timeout: float = 60.0) -> None:
        """Wait until the output holds something."""
        end = time.monotonic() + timeout
        while self.text.count(words) < times:
            assert time.monotonic() < end, f"no {words!r} in:\n{self.text}"
            assert self.popen.poll() is None or self.text.count(words) >= times, self.text
            time.sleep(0.05)

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.popen.send_signal(number)

    def end(self, timeout: float = 60.0) -> int:
        """Return the exit code."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"still running:\n{self.text}") from None

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@dataclass(frozen=True)
class Federation:
    """A folder for each party."""

    folder: Path
    sites: tuple[str, ...]

    @property
    def aggregator(self) -> Path:
        return self.folder / "aggregator" / "W"

    def site(self, name: str) -> Path:
        return self.folder / name / "W"

    def copy(self, folder: Path) -> Federation:
        """Return the same parties in another folder, on a port of their own."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Federation(folder, self.sites).changed(port=free_port())

    def changed(self, *, port: int | None = None, **settings: object) -> Federation:
        """Change the plan of all parties: the port, or settings of the task runner."""
        for workspace in (self.aggregator, *map(self.site, self.sites)):
            path = workspace / "plan" / "plan.yaml"
            plan = yaml.safe_load(path.read_text())
            if port is not None:
                plan["network"]["settings"]["agg_port"] = port
            plan["task_runner"].setdefault("settings", {}).update(settings)
            path.write_text(yaml.safe_dump(plan))
        fx_done("plan", "freeze", "plan/plan.yaml", cwd=self.aggregator)
        return self


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def make_federation(folder: Path, sites: tuple[str, ...], template: str = "numpy_plus_one") -> Federation:
    """Go through all steps up to starting, with mutual TLS on loopback."""
    made = Federation(folder, sites)
    made.aggregator.parent.mkdir(parents=True)
    fx_done("workspace", "create", "--prefix", "W", "--template", template, cwd=made.aggregator.parent)
    fx_done("plan", "initialize", "-a", "localhost", cwd=made.aggregator)
    fx_done("workspace", "certify", cwd=made.aggregator)
    fx_done("aggregator", "generate-cert-request", "--fqdn", "localhost", cwd=made.aggregator)
    fx_done("aggregator", "certify", "--fqdn", "localhost", "--silent", cwd=made.aggregator)
    fx_done("workspace", "export", cwd=made.aggregator)
    for name in sites:
        home = made.site(name).parent
        home.mkdir()
        shutil.copy(made.aggregator / "W.zip", home)
        fx_done("workspace", "import", "--archive", "W.zip", cwd=home)
        fx_done("collaborator", "generate-cert-request", "-n", name, "-d", "1", cwd=made.site(name))
        request, reply = f"col_{name}_to_agg_cert_request.zip", f"agg_to_col_{name}_signed_cert.zip"
        shutil.copy(made.site(name) / request, made.aggregator)
        fx_done("collaborator", "certify", "--request-pkg", request, "--silent", cwd=made.aggregator)
        shutil.copy(made.aggregator / reply, made.site(name))
        fx_done("collaborator", "certify", "--import", reply, cwd=made.site(name))
    return made
