"""``fx collaborator start``: take part in a federation with this site's data."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fl_core.cli.federation_options import Passphrase, PassphraseFile

if TYPE_CHECKING:
    from fl_core.cli.stopping import Stop
    from fl_core.federation.kept import Kept
    from fl_core.pki.layout import Layout
    from fl_core.transport.channel import SiteCredentials
    from fl_core.transport.client import SiteConnection
    from fl_core.workspace.frozen import Frozen
    from fl_core.workspace.layout import Workspace


DONE_RETRY_S: Final = 60.0
"""Seconds to try an aggregator that has all that the plan asks of this site: it only has to say farewell."""


def register_collaborator(group: typer.Typer) -> None:
    """Add ``start`` to the group ``fx collaborator``."""
    group.command("start")(start)


def start(
    name: Annotated[
        str,
        typer.Option("-n", "--collaborator-name", "--name", metavar="NAME", help="The collaborator's name."),
    ],
    data: Annotated[
        str | None,
        typer.Option("-d", "--data", metavar="DATA", help="Where the data is, in place of plan/data.yaml."),
    ] = None,
    retry_for: Annotated[
        float,
        typer.Option(
            "--retry-for",
            metavar="S",
            min=0,
            help="Seconds to try an aggregator that cannot be reached; "
            f"at most {DONE_RETRY_S:g} once it has all results.",
        ),
    ] = 3600.0,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FOLDER", help="What is kept here; else state/col_NAME."),
    ] = None,
    key_passphrase: Passphrase = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Work for the federation of this workspace until it is over.

    A proxy is taken from https_proxy or grpc_proxy, e.g. http://user:password@proxy.example:3128.
    """
    from fl_core.cli.federation_options import check_network, passphrase_of
    from fl_core.cli.stopping import Stopped, stopped_by_signals
    from fl_core.executor.environment import keep_memory
    from fl_core.federation.kept import open_kept
    from fl_core.pki.layout import Layout
    from fl_core.pki.names import check_name
    from fl_core.transport.errors import GaveUp
    from fl_core.workspace.frozen import frozen_now
    from fl_core.workspace.layout import open_workspace

    # Why a handshake failed is told in our own words; gRPC's core would print its own beside them.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    keep_memory()
    check_name(name)
    workspace = open_workspace(Path())
    frozen = frozen_now(workspace.plan)
    check_network(frozen.plan.network.settings, workspace.plan)
    credentials = site_credentials(
        Layout(workspace.root), name, passphrase_of(key_passphrase, passphrase_file)
    )
    folder = state or workspace.root / "state" / f"col_{name}"
    go_on = f"fx collaborator start -n {name}"
    try:
        with stopped_by_signals() as stop, open_kept(folder, frozen.hash) as kept:
            if kept.farewell is not None:
                typer.echo(
                    f"{kept.farewell} (this site has read so; for a new run remove {folder})", err=True
                )
                return
            connection = _connection(frozen, credentials, retry_for)
            stop.then(connection.close)
            try:
                typer.echo(_take_part(workspace, frozen, name, data, kept, connection, stop), err=True)
            except GaveUp as error:
                if not kept.handed_in_all:
                    raise
                typer.echo(
                    f"{error}\nthe aggregator has all that the plan asks of this site, so the federation is "
                    f"most likely over; if its operator says that it goes on: {go_on}",
                    err=True,
                )
    except Stopped as stopped:
        typer.echo(f"stopped by {stopped.by}; nothing is lost; to go on: {go_on}", err=True)
        raise typer.Exit(1) from None


def _take_part(
    workspace: Workspace,
    frozen: Frozen,
    name: str,
    data: str | None,
    kept: Kept,
    connection: SiteConnection,
    stop: Stop,
) -> str:
    from fl_core.cli.stopping import Stopped
    from fl_core.errors import InputError
    from fl_core.executor.base import load_source
    from fl_core.executor.worker import perform
    from fl_core.federation.agreement import terms_of
    from fl_core.federation.member import Member, Sharing
    from fl_core.plan.build import exchange_of, worker_setup
    from fl_core.workspace.layout import read_data_paths

    def all_handed_in() -> None:
        kept.note_all_handed_in()
        connection.give_up_after(DONE_RETRY_S)

    if kept.handed_in_all:
        all_handed_in()
    plan = frozen.plan
    exchange = exchange_of(plan, str(workspace.plan))
    paths = {**read_data_paths(workspace), **({} if data is None else {name: data})}
    try:
        # Before anything heavy is loaded: a site with another plan is told so at once.
        welcome = connection.join()
        if welcome.name != name:
            raise InputError(f"the aggregator knows this certificate as {welcome.name!r}, not as {name!r}")
        typer.echo(f"connected as {name}; plan {frozen.hash}", err=True)
        setup = worker_setup(plan, workspace=workspace.root, data=paths)
        with stop.interruptible():
            source = load_source(setup)
            source.open(name)  # a wrong data path is told now, and not in a round
        shares = plan.collaborator.settings
        member = Member(
            name,
            lambda job, model: perform(source, setup, job, model),
            connection,
            kept,
            exchange,
            Sharing(shares.shares_rows, shares.shares_local_state),
            note=lambda line: typer.echo(line, err=True),
            interruptible=stop.interruptible,
            last_round=terms_of(plan, frozen.hash, str(workspace.plan)).last_round,
            all_handed_in=all_handed_in,
        )
        return member.run()
    except Exception as error:
        if not stop.by:
            raise
        # The connection was closed in the middle of something.
        logging.getLogger(__name__).info("while stopping: %s: %s", type(error).__name__, error)
        raise Stopped(stop.by) from error
    finally:
        connection.close()


def _connection(frozen: Frozen, credentials: SiteCredentials, retry_for: float) -> SiteConnection:
    import random

    from fl_core.plan.address import aggregator_address
    from fl_core.transport.channel import open_channel
    from fl_core.transport.client import SiteConnection
    from fl_core.transport.diagnosis import diagnosed
    from fl_core.transport.retry import RetryPolicy

    host, port = aggregator_address(frozen.plan.network.settings, frozen.hash)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    typer.echo(f"connecting to {target}", err=True)
    return SiteConnection(
        open_channel(target, credentials),
        frozen.hash,
        RetryPolicy(gives_up_after_s=retry_for),
        explain=diagnosed(target, credentials, os.environ),
        draw=random.Random().random,  # waits of different sites are to differ; no result depends on it
    )


def site_credentials(layout: Layout, name: str, passphrase: bytes | None) -> SiteCredentials:
    """Return the site's key and certificates, checked as the aggregator will check them.

    Raises:
        InputError: A file is missing; the message has the command that makes it.
        CertificateError: The certificate is another's or not (any longer) of use, or the key cannot be read.
    """
    from datetime import UTC, datetime

    from fl_core.cli.federation_options import check_files
    from fl_core.pki.errors import CertificateError, Reason
    from fl_core.pki.keys import key_pem, read_key
    from fl_core.pki.verify import client_identity
    from fl_core.transport.channel import SiteCredentials

    certificate, key = layout.client(name, "crt"), layout.client(name, "key")
    check_files([key], f"make it with `fx collaborator generate-cert-request -n {name}`")
    reply = f"agg_to_col_{name}_signed_cert.zip"
    check_files(
        [certificate, layout.chain],
        f"it comes from the aggregator's operator in {reply}: `fx collaborator certify --import {reply}`",
    )
    own, chain = certificate.read_bytes(), layout.chain.read_bytes()
    identity = client_identity(own, datetime.now(UTC), str(certificate))
    if identity.name != name:
        raise CertificateError(Reason.OTHER_NAME, f"{certificate}: is {identity.name}'s, not {name}'s")
    return SiteCredentials(key_pem(read_key(key, passphrase)), own + b"\n" + chain, chain)
