import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from challenge.records.errors import SigningKeyError
from challenge.records.keys import (
    configuration_home,
    fingerprint,
    load_or_create_key,
    own_public_key,
    private_key_path,
    public_key_path,
    read_trusted_keys,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_call_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        key = load_or_create_key(tmp_path / "home")
    finally:
        os.umask(old)
    assert mode(tmp_path / "home" / "keys") == 0o700
    assert mode(private_key_path(tmp_path / "home")) == 0o600
    assert private_key_path(tmp_path / "home").read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert sorted(path.name for path in (tmp_path / "home" / "keys").iterdir()) == [
        "signing.pem",
        "signing.pub.pem",
    ]
    assert read_trusted_keys(public_key_path(tmp_path / "home")) == (key.public_key(),)


def test_the_key_stays_the_same(tmp_path: Path) -> None:
    assert own_public_key(tmp_path) is None
    assert not (tmp_path / "keys").exists()
    key = load_or_create_key(tmp_path)
    assert load_or_create_key(tmp_path).private_bytes_raw() == key.private_bytes_raw()
    assert own_public_key(tmp_path) == key.public_key()


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from challenge.records.keys import load_or_create_key, fingerprint;"
        "sys.stdout.write(fingerprint(load_or_create_key(Path(sys.argv[1])).public_key()))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
        for _ in range(4)
    ]
    prints = {process.communicate(timeout=60)[0].decode() for process in processes}
    assert prints == {fingerprint(load_or_create_key(tmp_path).public_key())}


@pytest.mark.parametrize(
    ("name", "loose", "command"), [("keys/signing.pem", 0o640, "600"), ("keys", 0o755, "700")]
)
def test_a_key_open_to_others_is_refused_with_the_command(
    tmp_path: Path, name: str, loose: int, command: str
) -> None:
    load_or_create_key(tmp_path)
    (tmp_path / name).chmod(loose)
    for use in (load_or_create_key, own_public_key):
        with pytest.raises(SigningKeyError, match=f"mode {loose:04o}.*chmod {command} '{tmp_path / name}'"):
            use(tmp_path)
    (tmp_path / name).chmod(int(command, 8))
    load_or_create_key(tmp_path)


def test_a_damaged_or_foreign_key_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path)
    path = private_key_path(tmp_path)
    path.write_bytes(b"nonsense")
    with pytest.raises(SigningKeyError, match="not a readable private key"):
        load_or_create_key(tmp_path)
    other = rsa.generate_private_key(65537, 2048)
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SigningKeyError, match="not an Ed25519 key"):
        load_or_create_key(tmp_path)


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SigningKeyError, match="CHALLENGE_HOME"):
        load_or_create_key(tmp_path / "file")


def test_the_variable_moves_the_home() -> None:
    assert configuration_home({"CHALLENGE_HOME": "/srv/x"}) == Path("/srv/x")
    assert configuration_home({"CHALLENGE_HOME": ""}) == configuration_home({})
    assert configuration_home({}).name == "fedbrats"


def test_trusted_keys_are_read_one_after_the_other(tmp_path: Path) -> None:
    keys = [Ed25519PrivateKey.generate().public_key() for _ in range(3)]
    pems = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys]
    (tmp_path / "keys.pem").write_bytes(b"# ours\n" + b"\n".join(pems))
    assert read_trusted_keys(tmp_path / "keys.pem") == tuple(keys)


def test_bad_trusted_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    with pytest.raises(SigningKeyError, match="cannot be read"):
        read_trusted_keys(path)
    path.write_bytes(private_key_path_content(tmp_path))
    with pytest.raises(SigningKeyError, match="holds no public key"):
        read_trusted_keys(path)
    path.write_bytes(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(SigningKeyError, match="public key 1 is damaged"):
        read_trusted_keys(path)
    foreign = rsa.generate_private_key(65537, 2048).public_key()
    path.write_bytes(foreign.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SigningKeyError, match="not an Ed25519 key"):
        read_trusted_keys(path)


def private_key_path_content(home: Path) -> bytes:
    load_or_create_key(home)
    return private_key_path(home).read_bytes()


def test_the_fingerprint_is_the_digest_of_the_raw_key() -> None:
    # The secret key of RFC 8032, section 7.1, test 1; digest by `xxd -r -p | sha256sum` of its public key.
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.public_key().public_bytes_raw().hex().startswith("d75a980182b10ab7")
    assert (
        fingerprint(key.public_key())
        == "sha256:21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
    )
