"""Why a site cannot connect: one TLS handshake of our own, whose errors say what gRPC's do not.

gRPC tells "Socket closed" or the error of the last address it tried, whatever was wrong with a certificate.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fl_core.pki.errors import CertificateError
from fl_core.pki.verify import check_chain, client_identity, read_certificates
from fl_core.transport.channel import SiteCredentials
from fl_core.transport.proxy import Proxy, ProxyError, connect, proxy_for

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 5.0
_VERDICT_S: Final = 2.0


def diagnosed(
    target: str, credentials: SiteCredentials, environment: Mapping[str, str]
) -> Callable[[Exception], str]:
    """Return a function that explains a failed call; it looks at the first failure and then at every tenth.

    Args:
        target: ``host:port`` of the aggregator.
        credentials: What the site shows.
        environment: Where a proxy may be named.
    """
    failures = 0

    def explain(error: Exception) -> str:
        nonlocal failures
        code: Any = getattr(error, "code", None)
        if not callable(code) or code().name != "UNAVAILABLE":
            return ""
        failures += 1
        return why_not(target, credentials, environment) if failures % 10 == 1 else ""

    return explain


def why_not(target: str, credentials: SiteCredentials, environment: Mapping[str, str]) -> str:
    """Return why the site will not be able to connect however often it tries; empty where it may.

    Names the issuer of a certificate that is not the federation's: so shows itself a proxy that inspects TLS.
    """
    host, _, port = target.rpartition(":")
    host = host.strip("[]")
    try:
        proxy = proxy_for(host, environment)
        with connect(host, int(port), proxy, _TIMEOUT_S) as link, _context(credentials) as context:
            try:
                return _handshake(context, link, host, credentials)
            except ssl.SSLCertVerificationError as error:
                return _not_believed(error, target, host, int(port), proxy)
    except ProxyError as error:
        return str(error)
    except (OSError, ValueError):  # nobody is there (yet): that is worth another attempt
        return ""


def _handshake(context: ssl.SSLContext, link: socket.socket, host: str, credentials: SiteCredentials) -> str:
    with context.wrap_socket(link, server_hostname=host) as secure:
        # With TLS 1.3 the other side judges our certificate after our part of the handshake is over. One that
        # accepts it sends HTTP/2 settings; one that does not hangs up.
        secure.settimeout(_VERDICT_S)
        try:
            accepted = bool(secure.recv(1))
        except TimeoutError:
            return ""
        except ssl.SSLError as error:
            return _own_fault(credentials, error.reason or "")
        except ConnectionError:
            accepted = False
    return "" if accepted else _own_fault(credentials, "it hung up")


def _own_fault(credentials: SiteCredentials, answer: str) -> str:
    """Return what is wrong with this site's certificate, where that can be seen from here."""
    now = datetime.now(UTC)
    own, *between = read_certificates(credentials.chain, "this site's certificate")
    try:
        client_identity(credentials.chain, now, "this site's certificate")
        check_chain(own, [*between, *read_certificates(credentials.roots, "the chain")], now, "it")
    except CertificateError as error:
        return f"the aggregator does not accept this site's certificate: {error}; ask for a new one"
    # It may only be about to stop, so this is no last word.
    log.warning(
        "the aggregator ended the handshake (%s), though this site's certificate looks right from here; if "
        "that goes on, ask its operator whether the aggregator trusts the authority that signed it",
        answer,
    )
    return ""


def _not_believed(
    error: ssl.SSLCertVerificationError, target: str, host: str, port: int, proxy: Proxy | None
) -> str:
    shown = _shown_certificate(host, port, proxy)
    what = " ".join(error.verify_message.split())
    if "mismatch" in what.lower():
        return f"{target} shows a certificate that is not for {host}: {what}; use the name it was made for"
    if "purpose" in what:
        return (
            f"{target} shows a certificate that was not made for a server; who answers there is no aggregator"
        )
    if "expired" in what or "not yet valid" in what:
        return f"the certificate of {target} is not valid now: {what}; check this machine's clock"
    return (
        f"{target} shows a certificate issued by {shown}, which the federation's authority did not sign "
        f"({what}). If that is your network's security gateway, it inspects TLS: ask IT to let this address "
        "through uninspected; else check cert/cert_chain.crt"
    )


def _shown_certificate(host: str, port: int, proxy: Proxy | None) -> str:
    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with connect(host, port, proxy, _TIMEOUT_S) as link, context.wrap_socket(link) as secure:
            content = secure.getpeercert(binary_form=True) or b""
        issuer = x509.load_der_x509_certificate(content).issuer.rfc4514_string()
    except (OSError, ValueError):
        return "an unknown issuer"
    return re.sub(r"[^\x20-\x7e]", "?", issuer)[:200]


@contextmanager
def _context(credentials: SiteCredentials) -> Iterator[ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=credentials.roots.decode())
    # The library reads keys from files only: this one is ours alone, and gone before anybody is called.
    handle, name = tempfile.mkstemp()
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(credentials.key + b"\n" + credentials.chain)
        context.load_cert_chain(path)
    finally:
        path.unlink()
    yield context
