"""Options and steps that starting an aggregator and starting a collaborator have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fl_core.plan.schema import NetworkSettings

Passphrase = Annotated[
    str | None,
    typer.Option(
        "--key-passphrase",
        metavar="SOURCE",
        help="Where the passphrase of an encrypted key is: env:VARIABLE, file:PATH or prompt.",
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="The same as --key-passphrase file:FILE."),
]


def passphrase_of(source: str | None, file: Path | None) -> bytes | None:
    """Return the key's passphrase; None where no source is given.

    Raises:
        InputError: Both options are given, or there is none at the source.
    """
    from fl_core.errors import InputError
    from fl_core.pki.passphrase import read_passphrase

    if source is not None and file is not None:
        raise InputError("--key-passphrase and --passphrase-file say the same; give one of them")
    if file is not None:
        source = f"file:{file}"

    def ask() -> str:
        return str(typer.prompt("Passphrase of the key", hide_input=True, err=True))

    return read_passphrase(source, os.environ, ask)


def check_network(network: NetworkSettings, source: Path) -> None:
    """Refuse a plan that asks for less protection than there always is.

    Raises:
        PlanError: The message names the key.
    """
    from fl_core.errors import PlanError

    asked = {
        "tls": network.tls,
        "require_client_auth": network.require_client_auth,
        "cert_folder": network.cert_folder.rstrip("/") == "cert",
    }
    for key, fits in asked.items():
        if not fits:
            always = "both sides show certificates, which are in cert/"
            raise PlanError(f"{source}: network.settings.{key}: {always}, always; remove the key")


def check_files(files: Sequence[Path], how: str) -> None:
    """Refuse to begin without keys and certificates.

    Raises:
        InputError: The first that is missing, and how it is made.
    """
    from fl_core.errors import InputError

    for path in files:
        if not path.is_file():
            raise InputError(f"{path} is missing; {how}")
