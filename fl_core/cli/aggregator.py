"""``fx aggregator start``: lead a federation from its workspace."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fl_core.cli.federation_options import Passphrase, PassphraseFile

if TYPE_CHECKING:
    from fl_core.federation.authorised_file import AuthorisedFile
    from fl_core.federation.lead import Lead
    from fl_core.federation.progress import Ended, Observer, Progress
    from fl_core.pki.layout import Layout
    from fl_core.transport.handshake_log import HandshakeLog
    from fl_core.transport.server import FederationServer, ServerCredentials
    from fl_core.workspace.frozen import Frozen
    from fl_core.workspace.layout import Workspace

GO_ON = "fx aggregator start"


def register_aggregator(group: typer.Typer) -> None:
    """Add ``start`` to the group ``fx aggregator``."""
    group.command("start")(start)


@dataclass(frozen=True)
class _Call:
    """What the command line asked for."""

    workspace: Workspace
    frozen: Frozen
    host: str
    listen: str
    prometheus: tuple[str, int] | None
    linger_s: float
    lost_after_s: float


def start(
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Where to listen; else the plan's port, everywhere."
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option("--prometheus", metavar="[HOST:]PORT", help="Serve numbers there; HOST is 127.0.0.1."),
    ] = None,
    linger: Annotated[
        float,
        typer.Option(
            "--linger", metavar="S", min=0, help="Seconds to tell sites of the end that are not here."
        ),
    ] = 60.0,
    lost_after: Annotated[
        float,
        typer.Option("--lost-after", metavar="S", min=1, help="Seconds after which a site counts as lost."),
    ] = 1800.0,
    key_passphrase: Passphrase = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Lead the federation of this workspace; started again, it goes on where it stood."""
    from fl_core.cli.federation_options import check_network, passphrase_of
    from fl_core.plan.address import aggregator_address
    from fl_core.transport.handshake_log import HandshakeLog
    from fl_core.transport.memory import share_one_heap
    from fl_core.workspace.frozen import check_frozen
    from fl_core.workspace.layout import open_workspace

    share_one_heap()
    workspace = open_workspace(Path())
    frozen = check_frozen(workspace.plan)
    network = frozen.plan.network.settings
    check_network(network, workspace.plan)
    host, port = aggregator_address(network, frozen.hash)
    passphrase = passphrase_of(key_passphrase, passphrase_file)
    call = _Call(
        workspace,
        frozen,
        host,
        listen or listen_address(host, port),
        None if prometheus is None else endpoint_of(prometheus),
        linger,
        lost_after,
    )
    with HandshakeLog() as handshakes:
        ended = _lead(call, passphrase, handshakes)
    if not ended.finished:
        typer.echo(f"to go on: {GO_ON}", err=True)
        raise typer.Exit(1)


def _lead(call: _Call, passphrase: bytes | None, handshakes: HandshakeLog) -> Ended:
    from fl_core.cli.stopping import stopped_by_signals
    from fl_core.durable import Disk
    from fl_core.federation.agreement import terms_of
    from fl_core.federation.authorised_file import AuthorisedFile
    from fl_core.federation.lead import Lead, Patience
    from fl_core.federation.outputs import Outputs
    from fl_core.federation.state_folder import StateFolder
    from fl_core.pki.layout import Layout
    from fl_core.plan.state_path import state_path
    from fl_core.workspace.code import import_code

    root, plan = call.workspace.root, call.frozen.plan
    import_code(root)  # where the plan's own aggregation function or assigner may be
    layout = Layout(root)
    credentials = server_credentials(layout, call.host, passphrase)
    settings = plan.aggregator.settings
    paths = {
        key: state_path(root, getattr(settings, key), key=f"{call.workspace.plan}: aggregator.settings.{key}")
        for key in ("init_state_path", "best_state_path", "last_state_path")
    }
    authorised = AuthorisedFile(layout.authorised)
    with contextlib.ExitStack() as stack:
        observer = _observer(call, handshakes, stack)
        folder = stack.enter_context(StateFolder(root / "state", Disk()))
        lead = stack.enter_context(
            Lead(
                terms_of(plan, call.frozen.hash, str(call.workspace.plan)),
                folder,
                initial=paths["init_state_path"].path,
                outputs=Outputs(
                    paths["best_state_path"].path,
                    paths["last_state_path"].path,
                    call.workspace.logs if settings.write_logs else None,
                ),
                authorised=authorised,
                observer=observer,
                patience=Patience(lost_after_s=call.lost_after_s, linger_s=call.linger_s),
            )
        )
        stack.enter_context(stopped_by_signals()).then(lead.stop)
        server = stack.enter_context(_server(call, lead, layout, credentials, authorised))
        typer.echo(f"listening on {_shown(call.listen, server.port)}; plan {call.frozen.hash}", err=True)
        for state in paths.values():
            if state.note:
                typer.echo(state.note, err=True)
        return lead.run()


def _server(
    call: _Call,
    lead: Lead,
    layout: Layout,
    credentials: ServerCredentials,
    authorised: AuthorisedFile,
) -> FederationServer:
    from datetime import UTC, datetime

    from fl_core.pki.revocation import RevocationList
    from fl_core.pki.verify import client_identity
    from fl_core.transport.gate import Gate
    from fl_core.transport.limits import Limits
    from fl_core.transport.server import FederationServer
    from fl_core.transport.servicer import FederationServicer

    limits = Limits()
    gate = Gate(
        lambda certificate: client_identity(certificate, datetime.now(UTC)),
        authorised,
        RevocationList(layout.revoked).is_revoked,
        limits.calls,
    )
    servicer = FederationServicer(lead.board, lead.spool, gate, call.frozen.hash, limits)
    return FederationServer(servicer, credentials, call.listen, limits)


def server_credentials(layout: Layout, host: str, passphrase: bytes | None) -> ServerCredentials:
    """Return the aggregator's key and certificates, checked as sites will check them.

    Raises:
        InputError: A file is missing; the message has the command that makes it.
        CertificateError: A certificate is not (any longer) of use, or the key cannot be read.
    """
    from datetime import UTC, datetime

    from fl_core.cli.federation_options import check_files
    from fl_core.pki.keys import key_pem, read_key
    from fl_core.pki.names import check_fqdn
    from fl_core.pki.verify import check_chain, check_server, read_certificates
    from fl_core.transport.server import ServerCredentials

    name = check_fqdn(host)
    certificate, key = layout.server(name, "crt"), layout.server(name, "key")
    how = (
        f"make it with `fx aggregator generate-cert-request --fqdn {name}` and "
        f"`fx aggregator certify --fqdn {name}`"
    )
    check_files([layout.chain], "make it with `fx workspace certify`")
    check_files([key, certificate], how)
    own, chain = certificate.read_bytes(), layout.chain.read_bytes()
    now = datetime.now(UTC)
    check_server(own, name, now, str(certificate))
    leaf, *between = read_certificates(own, str(certificate))
    check_chain(leaf, [*between, *read_certificates(chain, str(layout.chain))], now, str(certificate))
    return ServerCredentials(key_pem(read_key(key, passphrase)), own + b"\n" + chain, chain)


def listen_address(host: str, port: int) -> str:
    """Return where to listen: on all addresses, but for a federation on one machine only there.

    Example:
        >>> listen_address("agg.example.org", 50000), listen_address("127.0.0.1", 50000)
        ('[::]:50000', '127.0.0.1:50000')
    """
    from fl_core.pki.names import as_address

    address = as_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"[::]:{port}"


def endpoint_of(text: str) -> tuple[str, int]:
    """Return host and port of ``[HOST:]PORT``.

    Raises:
        InputError: It is something else.

    Example:
        >>> endpoint_of("9000"), endpoint_of("0.0.0.0:9000")
        (('127.0.0.1', 9000), ('0.0.0.0', 9000))
    """
    from fl_core.errors import InputError

    host, colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise InputError(f"--prometheus {text}: write PORT or HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _observer(call: _Call, handshakes: HandshakeLog, stack: contextlib.ExitStack) -> Observer:
    """Return who watches: a table on a terminal, plain lines elsewhere, and Prometheus where asked for."""
    observers: list[Observer] = []
    if call.prometheus is not None:
        from fl_core.federation.dashboard.prometheus import PrometheusEndpoint

        endpoint = stack.enter_context(PrometheusEndpoint(*call.prometheus))
        typer.echo(f"numbers at http://{_shown(f'{call.prometheus[0]}:0', endpoint.port)}/metrics", err=True)
        observers.append(endpoint)
    if handshakes.terminal.isatty():
        from fl_core.federation.dashboard.table import Dashboard

        observers.append(stack.enter_context(Dashboard(handshakes.terminal)))
    else:
        from fl_core.federation.dashboard.lines import PlainLines

        observers.append(PlainLines(lambda line: typer.echo(line, err=True)))

    def tell(progress: Progress) -> None:
        for observer in observers:
            observer(progress)

    return tell


def _shown(address: str, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{port}"
