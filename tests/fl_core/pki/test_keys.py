"""Private keys: their files, their encryption, their passphrases."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import KeyType, check_strength, describe_key, key_pem, new_key, read_key, write_key
from fl_core.pki.passphrase import read_passphrase

SECRET = "tr0ub4dor&3"


def never() -> str:
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_key_is_made_with_mode_0600_and_never_overwritten(tmp_path: Path, umask: int) -> None:
    key, path = new_key(), tmp_path / "a.key"
    before = os.umask(umask)
    try:
        write_key(path, key)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_pem(read_key(path)) == key_pem(key)
    content = path.read_bytes()
    with pytest.raises(CertificateError, match="already") as raised:
        write_key(path, new_key())
    assert raised.value.reason is Reason.ALREADY_THERE
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CertificateError):
        write_key(tmp_path / "link.key", key)
    assert path.read_bytes() == content and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_key(tmp_path / "a.key", new_key())
    (tmp_path / "a.key").chmod(mode)

    with pytest.raises(CertificateError, match=f"mode {mode:04o}.*chmod 600") as raised:
        read_key(tmp_path / "a.key")
    assert raised.value.reason is Reason.OPEN_KEY


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    key, path = new_key(), tmp_path / "a.key"
    write_key(path, key, SECRET.encode())

    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    load_pem_private_key(path.read_bytes(), SECRET.encode())
    assert key_pem(read_key(path, SECRET.encode())) == key_pem(key)
    with pytest.raises(
        CertificateError, match=r"a\.key: is encrypted; say where .* --key-passphrase"
    ) as none:
        read_key(path)
    with pytest.raises(CertificateError, match=r"a\.key: the passphrase is wrong") as wrong:
        read_key(path, b"s3cret-guess")
    assert none.value.reason is wrong.value.reason is Reason.PASSPHRASE
    assert "guess" not in str(wrong.value) and SECRET not in str(wrong.value)


def test_a_file_that_holds_no_key_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    with pytest.raises(CertificateError, match="no such key"):
        read_key(path)
    path.touch(0o600)
    with pytest.raises(CertificateError, match="no readable private key"):
        read_key(path)
    path.write_bytes(key_pem(new_key())[:100])
    with pytest.raises(CertificateError, match="no readable private key"):
        read_key(path)


@pytest.mark.parametrize(
    ("key", "strong", "words"),
    [
        (new_key().public_key(), True, "ECDSA secp384r1"),
        (ec.generate_private_key(ec.SECP256R1()).public_key(), True, "ECDSA secp256r1"),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), False, "ECDSA secp521r1"),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), False, "ECDSA secp256k1"),
        (ed25519.Ed25519PrivateKey.generate().public_key(), False, "Ed25519"),
        (rsa.generate_private_key(65537, 2048).public_key(), False, "RSA 2048 bits"),
        (dsa.generate_private_key(1024).public_key(), False, "DSA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_which_keys_are_strong_enough(key: object, strong: bool, words: str) -> None:
    assert describe_key(key) == words
    if strong:
        assert check_strength(key, "x") is key
        return
    with pytest.raises(CertificateError, match=f"x: its key is {words}; use ECDSA") as raised:
        check_strength(key, "x")
    assert raised.value.reason is Reason.WEAK_KEY


def test_rsa_keys_have_3072_bits() -> None:
    key = new_key(KeyType.RSA)
    assert isinstance(key, rsa.RSAPrivateKey) and key.key_size == 3072
    assert key.public_key().public_numbers().e == 65537
    check_strength(key.public_key(), "x")


def test_where_a_passphrase_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    file.write_text(f"{SECRET}\nmore\n")

    assert read_passphrase(None, {}, never) is None
    assert read_passphrase("env:PASS", {"PASS": SECRET}, never) == SECRET.encode()
    assert read_passphrase(f"file:{file}", {}, never) == SECRET.encode()
    assert read_passphrase("prompt", {}, lambda: SECRET) == SECRET.encode()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("env:PASS", "variable PASS is not set"),
        ("file:/nowhere/pass", "/nowhere/pass"),
        ("prompt", "no passphrase was given"),
        ("env:", "not the passphrase"),
        (SECRET, "not the passphrase"),
    ],
)
def test_a_passphrase_that_is_missing_is_told_and_never_repeated(source: str, told: str) -> None:
    with pytest.raises(CertificateError, match=told) as raised:
        read_passphrase(source, {}, lambda: "")
    assert raised.value.reason is Reason.PASSPHRASE
    assert SECRET not in str(raised.value)


def test_a_passphrase_of_any_length_but_not_endless() -> None:
    with pytest.raises(CertificateError, match="longer than 1024"):
        read_passphrase("env:P", {"P": "x" * 1025}, never)
