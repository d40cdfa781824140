"""The signing key of this user: Ed25519, in the configuration folder, readable by its owner only."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from challenge.records.errors import SigningKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PEM_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def configuration_home(environment: Mapping[str, str]) -> Path:
    """Return the user's configuration folder; the variable ``CHALLENGE_HOME`` moves it.

    Example:
        >>> configuration_home({"CHALLENGE_HOME": "/srv/challenge"}).as_posix()
        '/srv/challenge'
    """
    moved = environment.get("CHALLENGE_HOME")
    if moved:
        return Path(moved).expanduser()
    import platformdirs

    return platformdirs.user_config_path("fedbrats")


def private_key_path(home: Path) -> Path:
    """Return where the private key of the configuration folder `home` lies."""
    return home / "keys" / "signing.pem"


def public_key_path(home: Path) -> Path:
    """Return where the public key lies: the file to give to whoever is to trust this user."""
    return home / "keys" / "signing.pub.pem"


def load_or_create_key(home: Path) -> Ed25519PrivateKey:
    """Return the signing key kept under `home`, made on the first call.

    Two processes that both find no key end with the same one.

    Args:
        home: The configuration folder, see `configuration_home`.

    Raises:
        SigningKeyError: The key or its folder is open to others, damaged, or cannot be written.
    """
    path = private_key_path(home)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_loose(path.parent, 0o700)
        if not path.exists():
            _create(path)
        _refuse_loose(path, 0o600)
        key = _read_private(path)
        _publish(key.public_key(), public_key_path(home))
    except OSError as error:
        raise SigningKeyError(
            f"the signing key {path} cannot be used ({error.strerror}); "
            "let CHALLENGE_HOME name a folder that you can write to"
        ) from error
    return key


def own_public_key(home: Path) -> Ed25519PublicKey | None:
    """Return the public half of the key under `home`, or None when there is none; creates nothing.

    Raises:
        SigningKeyError: The private key is open to others or damaged.
    """
    path = private_key_path(home)
    try:
        if not path.exists():
            return None
        _refuse_loose(path.parent, 0o700)
        _refuse_loose(path, 0o600)
        return _read_private(path).public_key()
    except OSError as error:
        raise SigningKeyError(f"the signing key {path} cannot be read: {error.strerror}") from error


def read_trusted_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """Read one or more PEM public keys, one after the other, from a file.

    Raises:
        SigningKeyError: The file cannot be read, or holds no key or one that is not Ed25519.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        blocks = _PEM_PUBLIC_KEY.findall(path.read_bytes())
    except OSError as error:
        raise SigningKeyError(f"the trusted key {path} cannot be read: {error.strerror}") from error
    keys: list[Ed25519PublicKey] = []
    for number, block in enumerate(blocks, start=1):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningKeyError(f"{path}: public key {number} is damaged: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyError(
                f"{path}: public key {number} is not an Ed25519 key; records are signed by those"
            )
        keys.append(key)
    if not keys:
        raise SigningKeyError(
            f"{path} holds no public key; give the signer's keys/signing.pub.pem "
            "(it begins with -----BEGIN PUBLIC KEY-----)"
        )
    return tuple(keys)


def fingerprint(public_key: Ed25519PublicKey) -> str:
    """Return ``sha256:`` and the SHA-256 of the raw 32 bytes of the key, in hexadecimal."""
    return "sha256:" + hashlib.sha256(public_key.public_bytes_raw()).hexdigest()


def _create(path: Path) -> None:
    """Write a new key beside `path` and give it that name unless another process was faster."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_new(temporary, pem, 0o600)
    try:
        os.link(temporary, path)  # unlike a rename, fails when the name is taken
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _publish(key: Ed25519PublicKey, path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if path.exists() and path.read_bytes() == pem:
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_new(temporary, pem, 0o644)
    temporary.replace(path)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refuse_loose(path: Path, mode: int) -> None:
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise SigningKeyError(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}); "
            f"close it with: chmod {mode:o} '{path}'"
        )
    if found.st_uid != os.geteuid():
        raise SigningKeyError(f"{path} belongs to another user; let CHALLENGE_HOME name a folder of your own")


def _read_private(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"{path} is not a readable private key ({error}); move it away and a new one is made"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path} is not an Ed25519 key; move it away and a new one is made")
    return key
