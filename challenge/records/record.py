"""The signed record of a run: the digest of every file, the facts, and who vouches for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from challenge.records.canonical import canonical_json
from challenge.records.contents import RECORD_NAME, digest_files
from challenge.records.errors import RecordError
from fl_core.durable import Disk

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEMA = "record/1"
ALGORITHM = "ed25519"


def write_record(run_folder: Path, facts: Mapping[str, Any], key: Ed25519PrivateKey, disk: Disk) -> Path:
    """Write ``record.json``, the last file of a run; an earlier record is replaced.

    The record holds ``schema``, ``facts``, ``files`` (SHA-256 by relative path), ``signer`` (algorithm
    and public key) and ``signature``: Ed25519 (RFC 8032) over the canonical JSON of all the rest.

    Args:
        run_folder: The finished run; nothing in it but ``checkpoint/`` may change afterwards.
        facts: What cannot be read from the files: digests of the configuration and the submission,
            seeds, the horizon, the machine. Text, finite numbers, lists and maps of these.
        key: Signs the record.
        disk: Writes it.

    Returns:
        The path of the record.

    Raises:
        RecordError: The folder holds what a record cannot vouch for (a link), or a fact is not JSON.
        OSError: The disk refused.
    """
    path = run_folder / RECORD_NAME
    # A run that died while writing its record leaves this, and the new record would name it.
    path.with_name(f".{RECORD_NAME}.tmp").unlink(missing_ok=True)
    disk.write(path, canonical_json(sign(dict(facts), digest_files(run_folder), key)))
    return path


def sign(facts: Mapping[str, Any], files: Mapping[str, str], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return the whole record as a map, signature included.

    Raises:
        RecordError: A fact is not JSON.
    """
    statement: dict[str, Any] = {
        "schema": SCHEMA,
        "facts": dict(facts),
        "files": dict(files),
        "signer": {"algorithm": ALGORITHM, "public_key": key.public_key().public_bytes_raw().hex()},
    }
    return statement | {"signature": key.sign(canonical_json(statement)).hex()}


def read_facts(run_folder: Path) -> dict[str, Any]:
    """Return the facts of a run's record, without verifying it; empty when there is no record.

    Raises:
        RecordError: The record is not JSON of a schema known here.
    """
    import json

    path = run_folder / RECORD_NAME
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not a record: {error}") from error
    if (
        not isinstance(record, dict)
        or record.get("schema") != SCHEMA
        or not isinstance(record.get("facts"), dict)
    ):
        raise RecordError(f"{path} is not of the schema {SCHEMA}; see `challenge verify`")
    return dict(record["facts"])
