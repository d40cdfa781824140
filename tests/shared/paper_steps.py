"""The paper's commands up to starting, each in a process of its own, in the order of the paper."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from workspaces import FX, Federation


@dataclass(frozen=True)
class Call:
    """A command that was run.

    Attributes:
        words: After ``fx``.
        stdout: What it said.
        stderr: The same.
        new: Files that were made by it, relative to the folder of all parties.
    """

    words: tuple[str, ...]
    stdout: str
    stderr: str
    new: frozenset[str]


@dataclass
class Printed:
    """All commands of the workflow up to starting, in the order in which the paper prints them."""

    federation: Federation
    calls: dict[str, Call] = field(default_factory=dict)

    def call(self, key: str, *words: str, cwd: Path, answer: str | None = None) -> None:
        """Run a command that has nobody to ask, or one person who gives one answer."""
        before = self.files()
        done = subprocess.run(
            [FX, *words],
            cwd=cwd,
            input=answer,
            stdin=subprocess.DEVNULL if answer is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
        self.calls[key] = Call(words, done.stdout, done.stderr, frozenset(self.files() - before))

    def files(self) -> set[str]:
        folder = self.federation.folder
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def prepared(folder: Path, template: str, data: dict[str, str]) -> Printed:
    """Run the commands as printed; every signature is asked for and given."""
    printed = Printed(Federation(folder, tuple(data)))
    lead = printed.federation.aggregator
    lead.parent.mkdir(parents=True)
    printed.call("create", "workspace", "create", "--prefix", "W", "--template", template, cwd=lead.parent)
    plan = yaml.safe_load((lead / "plan" / "plan.yaml").read_text())
    # Two tests of the same plan on one machine would meet on the port that belongs to its hash.
    plan["network"]["settings"] = {"hash_salt": secrets.token_hex(8)}
    (lead / "plan" / "plan.yaml").write_text(yaml.safe_dump(plan))
    printed.call("initialize", "plan", "initialize", "-a", "localhost", cwd=lead)
    printed.call("certify", "workspace", "certify", cwd=lead)
    printed.call("agg request", "aggregator", "generate-cert-request", "--fqdn", "localhost", cwd=lead)
    printed.call("agg certify", "aggregator", "certify", "--fqdn", "localhost", cwd=lead, answer="y\n")
    printed.call("export", "workspace", "export", cwd=lead)
    for name, path in data.items():
        home = printed.federation.site(name).parent
        home.mkdir()
        shutil.copy(lead / "W.zip", home)
        printed.call(f"{name} import", "workspace", "import", "--archive", "W.zip", cwd=home)
        enrol_as_printed(printed, name, path)
    return printed


def enrol_as_printed(printed: Printed, name: str, data: str) -> None:
    """Request, sign and import a site's certificate; the package is mailed, which is a copy here."""
    lead, site = printed.federation.aggregator, printed.federation.site(name)
    request, reply = f"col_{name}_to_agg_cert_request.zip", f"agg_to_col_{name}_signed_cert.zip"
    requesting = ("collaborator", "generate-cert-request", "-n", name, "-d", data)
    printed.call(f"{name} request", *requesting, cwd=site)
    shutil.copy(site / request, lead)
    signing = ("collaborator", "certify", "--request-pkg", request)
    printed.call(f"{name} sign", *signing, cwd=lead, answer="y\n")
    shutil.copy(lead / reply, site)
    printed.call(f"{name} reply", "collaborator", "certify", "--import", reply, cwd=site)
