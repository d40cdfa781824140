"""The two archives that travel between a collaborator and the authority."""

from __future__ import annotations

import re
from pathlib import Path

from fl_core.archive import ArchiveError, Limits, read_zip, write_zip
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.names import check_name

LIMITS = Limits(entries=8, file_bytes=64 << 10, total_bytes=256 << 10, archive_bytes=512 << 10)
"""A request or a reply is a few kilobytes."""

CHAIN = "cert_chain.crt"

_REQUEST = re.compile(r"col_(.+)_to_agg_cert_request\.zip", re.ASCII)


def request_package(folder: Path, name: str) -> Path:
    """Return the path of a collaborator's request.

    Example:
        >>> request_package(Path("."), "one").name
        'col_one_to_agg_cert_request.zip'
    """
    return folder / f"col_{check_name(name)}_to_agg_cert_request.zip"


def reply_package(folder: Path, name: str) -> Path:
    """Return the path of the reply to it.

    Example:
        >>> reply_package(Path("."), "one").name
        'agg_to_col_one_signed_cert.zip'
    """
    return folder / f"agg_to_col_{check_name(name)}_signed_cert.zip"


def write_request_package(folder: Path, name: str, request_pem: bytes) -> Path:
    """Write a collaborator's request and return its path."""
    path = request_package(folder, name)
    write_zip(path, {f"col_{name}.csr": request_pem})
    return path


def read_request_package(path: Path) -> tuple[str, bytes]:
    """Return the name and the request in a package.

    Raises:
        ArchiveError: A broken or hostile archive, or anything in it but one request.
        CertificateError: The package's own name is for another collaborator.
    """
    files = read_zip(path, LIMITS)
    name = _only(path, list(files), ".csr")
    named = _REQUEST.fullmatch(path.name)
    if named and named[1] != name:
        raise CertificateError(
            Reason.OTHER_NAME,
            f"{path}: holds the request of {name}, its file name says {named[1]}; ask for an untouched one",
        )
    return name, files[f"col_{name}.csr"]


def write_reply_package(folder: Path, name: str, certificate_pem: bytes, chain_pem: bytes) -> Path:
    """Write the reply to a request and return its path."""
    path = reply_package(folder, name)
    write_zip(path, {f"col_{name}.crt": certificate_pem, CHAIN: chain_pem})
    return path


def read_reply_package(path: Path) -> tuple[str, bytes, bytes]:
    """Return name, certificate and chain of a reply.

    Raises:
        ArchiveError: A broken or hostile archive, or anything else in it.
    """
    files = read_zip(path, LIMITS)
    chain = files.pop(CHAIN, None)
    if chain is None:
        raise ArchiveError(f"{path}: holds no {CHAIN}; is it the reply to a request?")
    name = _only(path, list(files), ".crt")
    return name, files[f"col_{name}.crt"], chain


def _only(path: Path, names: list[str], suffix: str) -> str:
    if len(names) == 1 and names[0].startswith("col_") and names[0].endswith(suffix):
        return check_name(names[0].removeprefix("col_").removesuffix(suffix))
    raise ArchiveError(f"{path}: must hold one file col_NAME{suffix}, and holds {sorted(names)}")
