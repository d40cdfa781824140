"""Private keys: made, kept with mode 0600, read again; and which public keys are strong enough."""

from __future__ import annotations

import os
import stat
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fl_core.pki.errors import CertificateError, Reason

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

RSA_BITS = 3072
_RSA_BITS_MOST = 8192  # longer ones cost the verifier, not the attacker
_CURVES = ("secp384r1", "secp256r1")
_LARGEST = 64 << 10


class KeyType(StrEnum):
    """The kinds of key that are made here."""

    ECDSA = "ecdsa"
    RSA = "rsa"


def new_key(kind: KeyType = KeyType.ECDSA) -> PrivateKey:
    """Return a new key: ECDSA on secp384r1, or RSA with 3072 bits."""
    if kind is KeyType.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP384R1())


def describe_key(key: object) -> str:
    """Return a key's type and size in words.

    Example:
        >>> describe_key(new_key().public_key())
        'ECDSA secp384r1'
    """
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return f"ECDSA {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return f"RSA {key.key_size} bits"
    return type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")


def check_strength(key: object, source: str) -> PublicKey:
    """Return a public key that may stand in a certificate, or refuse it.

    Raises:
        CertificateError: Neither RSA with 3072 to 8192 bits nor ECDSA on secp384r1 or secp256r1.
    """
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPublicKey) and RSA_BITS <= key.key_size <= _RSA_BITS_MOST:
        return key
    raise CertificateError(
        Reason.WEAK_KEY,
        f"{source}: its key is {describe_key(key)}; use ECDSA on {' or '.join(_CURVES)}, "
        f"or RSA with {RSA_BITS} to {_RSA_BITS_MOST} bits",
    )


def key_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return a key as PEM (PKCS #8), encrypted where a passphrase is given."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def write_key(path: Path, key: PrivateKey, passphrase: bytes | None = None) -> None:
    """Write a new key file with mode 0600; nothing is ever overwritten, and no mode widened.

    Raises:
        CertificateError: There is such a file already.
    """
    content = key_pem(key, passphrase)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise CertificateError(
            Reason.ALREADY_THERE, f"{path}: there is a key already; move it away to make a new one"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)  # half a key would only be in the way
        raise


def read_key(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """Return the key of a file, PKCS #8 or openssl's own forms.

    `key_pem` of it is what gRPC takes, so that a decrypted key never touches the disk.

    Raises:
        CertificateError: Missing, open to other users, no usable key, or a passphrase that is missing or
            wrong.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        with path.open("rb") as file:
            content = file.read(_LARGEST)
    except FileNotFoundError as error:
        raise CertificateError(Reason.MISSING, f"{path}: there is no such key") from error
    except OSError as error:
        raise CertificateError(Reason.UNREADABLE, f"{path}: cannot be read ({error.strerror})") from error
    if mode & 0o077:
        raise CertificateError(
            Reason.OPEN_KEY, f"{path}: other users may read it (mode {mode:04o}); close it with chmod 600"
        )
    key = _parsed(path, content, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CertificateError(
            Reason.WEAK_KEY, f"{path}: is a key of type {describe_key(key)}; use ECDSA or RSA"
        )
    return key


def _parsed(path: Path, content: bytes, passphrase: bytes | None) -> object:
    encrypted = b"ENCRYPTED" in content
    if encrypted and passphrase is None:
        raise CertificateError(
            Reason.PASSPHRASE,
            f"{path}: is encrypted; say where its passphrase is with --key-passphrase env:VARIABLE, "
            "file:PATH or prompt",
        )
    try:
        return serialization.load_pem_private_key(content, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise CertificateError(
                Reason.PASSPHRASE, f"{path}: the passphrase is wrong, or the file is damaged"
            ) from error
        raise CertificateError(Reason.UNREADABLE, f"{path}: holds no readable private key") from error
