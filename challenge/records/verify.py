"""Verification of a run's record: is it intact, and who signed it?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from challenge.records.canonical import canonical_json
from challenge.records.contents import RECORD_NAME, digest_files
from challenge.records.errors import RecordError
from challenge.records.record import ALGORITHM, SCHEMA

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Signer = Literal["known", "unknown", "none"]


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a record.

    Attributes:
        intact: The signature holds and every file is the one that was recorded.
        signer: ``known`` when a trusted key signed, ``unknown`` when another one did, ``none`` when
            there is no valid signature.
        fingerprint: Of the key that signed; empty when the signer is ``none``.
        problems: One line for each file or part that is not as recorded.
        facts: The recorded facts; to be believed only when `intact`.
    """

    intact: bool
    signer: Signer
    fingerprint: str
    problems: tuple[str, ...]
    facts: Mapping[str, Any]


def verify(path: Path, trusted_keys: Iterable[Ed25519PublicKey]) -> Verdict:
    """Verify a run's folder, or the record in it.

    Args:
        path: The run's folder, or its ``record.json``; either way the files beside it are checked.
        trusted_keys: Public keys whose owners are known.

    Raises:
        RecordError: There is no record, or it is of a schema that is not known here.
    """
    folder = path if path.is_dir() else path.parent
    record_path = path / RECORD_NAME if path.is_dir() else path
    try:
        content = record_path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"{record_path} cannot be read ({error.strerror}); a finished run has a {RECORD_NAME}"
        ) from error
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        return Verdict(False, "none", "", (f"{record_path.name}: not JSON ({error})",), {})
    if not isinstance(record, dict):
        return Verdict(False, "none", "", (f"{record_path.name}: not a JSON object",), {})
    if record.get("schema") != SCHEMA:
        raise RecordError(
            f"{record_path} has the schema {record.get('schema')!r}, this version reads {SCHEMA!r}; "
            "verify it with the version that wrote it"
        )
    signer, fingerprint_of_signer, problems = _check_signature(record, content, trusted_keys)
    problems += _check_files(record.get("files"), folder)
    facts = record.get("facts")
    return Verdict(
        intact=not problems,
        signer=signer,
        fingerprint=fingerprint_of_signer,
        problems=tuple(problems),
        facts=facts if isinstance(facts, dict) else {},
    )


def _check_signature(
    record: Mapping[str, Any], content: bytes, trusted_keys: Iterable[Ed25519PublicKey]
) -> tuple[Signer, str, list[str]]:
    from cryptography.exceptions import InvalidSignature

    from challenge.records.keys import fingerprint

    try:
        same_bytes = canonical_json(dict(record)) == content
    except RecordError as error:
        return "none", "", [f"{RECORD_NAME}: {error}"]
    problems = [] if same_bytes else [f"{RECORD_NAME}: its bytes are not those that were written"]
    key = _public_key(record.get("signer"))
    signature = _from_hex(record.get("signature"), 64)
    if key is None or signature is None:
        what = "public key" if key is None else "signature"
        return "none", "", [*problems, f"{RECORD_NAME}: no {what} that can be read"]
    statement = {name: value for name, value in record.items() if name != "signature"}
    try:
        key.verify(signature, canonical_json(statement))
    except InvalidSignature:
        return (
            "none",
            "",
            [*problems, f"{RECORD_NAME}: the signature does not fit; facts or digests were changed"],
        )
    known = key.public_bytes_raw() in {trusted.public_bytes_raw() for trusted in trusted_keys}
    return ("known" if known else "unknown"), fingerprint(key), problems


def _check_files(recorded: Any, folder: Path) -> list[str]:
    if not isinstance(recorded, dict):
        return [f"{RECORD_NAME}: names no files"]
    try:
        found = digest_files(folder)
    except RecordError as error:
        return [str(error)]
    problems = []
    for name in sorted({*recorded, *found}):
        if name not in found:
            problems.append(f"{name}: missing")
        elif name not in recorded:
            problems.append(f"{name}: not named in the record")
        elif found[name] != recorded[name]:
            problems.append(f"{name}: changed")
    return problems


def _public_key(signer: Any) -> Ed25519PublicKey | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(signer, dict) or signer.get("algorithm") != ALGORITHM:
        return None
    raw = _from_hex(signer.get("public_key"), 32)
    return None if raw is None else Ed25519PublicKey.from_public_bytes(raw)


def _from_hex(text: Any, size: int) -> bytes | None:
    """Return the bytes, or None unless `text` is the one lower-case spelling of `size` bytes."""
    if not isinstance(text, str):
        return None
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == size and raw.hex() == text else None
