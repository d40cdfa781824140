"""``challenge verify``: whether a run's files are those that were recorded, and who signed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def verify(
    record: Annotated[
        Path, typer.Argument(metavar="RECORD|RUN_DIR", help="A run's folder or its record.json.")
    ],
    trusted_key: Annotated[
        Path | None,
        typer.Option(
            "--trusted-key",
            metavar="FILE",
            help="Public keys (PEM) of trusted signers; then an unknown signer is an error.",
        ),
    ] = None,
) -> None:
    """Check every file of a run against its signed record."""
    from challenge.records.keys import configuration_home, own_public_key, read_trusted_keys
    from challenge.records.machine import differences, machine_facts
    from challenge.records.verify import verify as verify_record

    if trusted_key is not None:
        trusted = read_trusted_keys(trusted_key)
    else:
        own = own_public_key(configuration_home(os.environ))
        trusted = () if own is None else (own,)
    verdict = verify_record(record, trusted)

    typer.echo(f"intact: {'yes' if verdict.intact else 'no'}")
    for problem in verdict.problems:
        typer.echo(f"  {problem}")
    typer.echo(f"signer: {verdict.signer}" + (f" ({verdict.fingerprint})" if verdict.fingerprint else ""))
    recorded = verdict.facts.get("machine")
    if verdict.intact and isinstance(recorded, dict):
        elsewhere = differences(recorded, machine_facts(threads=1))
        if elsewhere:
            typer.echo("note: a repetition here need not give equal bytes: " + "; ".join(elsewhere))
    if trusted_key is not None and verdict.signer != "known":
        typer.echo(f"error: none of the keys in {trusted_key} signed this record", err=True)
        raise typer.Exit(1)
    if not verdict.intact:
        raise typer.Exit(1)
