"""Names that may stand in certificates and file names."""

from __future__ import annotations

import ipaddress
import re

from fl_core.pki.errors import CertificateError, Reason

LONGEST = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def check_name(name: str) -> str:
    """Return the name of a collaborator, or refuse it.

    Raises:
        CertificateError: Not 1 to 64 ASCII letters, digits, ``_ . -``, or it begins with a dot or dash.

    Example:
        >>> check_name("hospital_1")
        'hospital_1'
    """
    if not _NAME.fullmatch(name):
        raise CertificateError(
            Reason.BAD_NAME,
            f"{name[:80]!r} is no name of a collaborator: 1 to 64 letters, digits, '_', '.' or '-', "
            "beginning with a letter, a digit or '_'",
        )
    return name


def check_fqdn(fqdn: str) -> str:
    """Return the aggregator's name in lower case, or its IP address in canonical form, or refuse it.

    Raises:
        CertificateError: Neither a DNS name of at most 64 characters nor an IP address.

    Example:
        >>> check_fqdn("Agg.Example.ORG"), check_fqdn("127.0.0.1"), check_fqdn("::0001")
        ('agg.example.org', '127.0.0.1', '::1')
    """
    address = as_address(fqdn)
    if address is not None:
        return str(address)
    name = fqdn.lower()
    labels = name.split(".")
    if len(name) > LONGEST or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise CertificateError(
            Reason.BAD_NAME,
            f"{fqdn[:80]!r} is neither a DNS name (at most {LONGEST} characters: letters, digits, '-', '.') "
            "nor an IP address; give the one that the sites connect to with --fqdn",
        )
    return name


def as_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address, or None for anything else.

    Example:
        >>> as_address("10.0.0.1"), as_address("example.org")
        (IPv4Address('10.0.0.1'), None)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A zone ("fe80::1%eth0") names an interface of one machine and fits no certificate.
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id else address
