"""Certificates and requests made by openssl work like our own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from fl_core.durable import Disk
from fl_core.pki.authority import found_authority, load_authority
from fl_core.pki.certificate import Role
from fl_core.pki.enrolment import import_reply, open_request, sign_client
from fl_core.pki.keys import KeyType, read_key
from fl_core.pki.layout import Layout
from fl_core.pki.verify import ClientIdentity, check_chain, check_server, client_identity

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the command openssl is not installed"
)

KINDS = {
    "ecdsa": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"),
    "rsa": ("-newkey", "rsa:3072"),
}
LEAVES = {
    Role.SERVER: "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
    "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n",
    Role.CLIENT: "extendedKeyUsage=clientAuth\n",
}


def openssl(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["openssl", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=["ecdsa", pytest.param("rsa", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def made(tmp_path: Path, kind: str) -> Path:
    """A folder with root, intermediate, server and client as a hospital's own PKI makes them."""
    key = (*KINDS[kind], "-nodes", "-sha384")
    openssl(
        tmp_path,
        "req",
        "-x509",
        *key,
        "-keyout",
        "root.key",
        "-out",
        "root.crt",
        "-subj",
        "/CN=R",
        "-days",
        "9",
    )
    steps = [("sub", "/O=Hospital/CN=Issuing", "basicConstraints=critical,CA:TRUE,pathlen:0\n", "root")]
    steps.append(("server", "/CN=localhost", LEAVES[Role.SERVER], "sub"))
    steps.append(("client", "/C=DE/O=Hospital/CN=hospital_1", LEAVES[Role.CLIENT], "sub"))
    for name, subject, extensions, issuer in steps:
        (tmp_path / f"{name}.ext").write_text(extensions)
        openssl(
            tmp_path, "req", "-new", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject
        )
        signing = (
            "-CA",
            f"{issuer}.crt",
            "-CAkey",
            f"{issuer}.key",
            "-CAcreateserial",
            "-sha384",
            "-days",
            "5",
        )
        openssl(
            tmp_path,
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            *signing,
            "-extfile",
            f"{name}.ext",
            "-out",
            f"{name}.crt",
        )
    (tmp_path / "chain.crt").write_bytes(
        (tmp_path / "sub.crt").read_bytes() + (tmp_path / "root.crt").read_bytes()
    )
    return tmp_path


def test_certificates_of_openssl_are_accepted(made: Path) -> None:
    now = datetime.now(UTC)
    client = (made / "client.crt").read_bytes()
    serial = int(openssl(made, "x509", "-in", "client.crt", "-noout", "-serial").split("=")[1], 16)

    assert client_identity(client, now) == ClientIdentity("hospital_1", serial)
    for address in ("localhost", "127.0.0.1"):
        check_server((made / "server.crt").read_bytes(), address, now)
    chain = x509.load_pem_x509_certificates((made / "chain.crt").read_bytes())
    assert check_chain(x509.load_pem_x509_certificate(client), chain, now, "x") == chain
    for name in ("server", "client"):
        (made / f"{name}.key").chmod(0o600)
        own = x509.load_pem_x509_certificate((made / f"{name}.crt").read_bytes())
        assert read_key(made / f"{name}.key").public_key() == own.public_key()

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_REQUIRED
    visitor = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context, name in ((server, "server"), (visitor, "client")):
        context.load_verify_locations(made / "chain.crt")
        context.load_cert_chain(made / f"{name}.crt", made / f"{name}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [visitor.wrap_bio(to_client, to_server, server_hostname="localhost")]
    ends.append(server.wrap_bio(to_server, to_client, server_side=True))
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = ends[1].getpeercert(binary_form=True)
    assert der is not None
    assert client_identity(ssl.DER_cert_to_PEM_cert(der).encode(), now).name == "hospital_1"


def test_a_request_of_openssl_is_signed_and_imported(tmp_path: Path, kind: str) -> None:
    now = datetime.now(UTC)
    agg, site = Layout(tmp_path / "agg"), Layout(tmp_path / "site")
    found_authority(agg, KeyType(kind), None, now, Disk())
    folder = site.client("one", "key").parent
    folder.mkdir(parents=True)
    subject = ("-subj", "/C=DE/O=Hospital/CN=one", "-addext", "subjectAltName=DNS:agg.example.org")
    openssl(
        folder,
        "req",
        "-new",
        *KINDS[kind],
        "-nodes",
        "-keyout",
        "col_one.key",
        "-out",
        "col_one.csr",
        *subject,
    )
    (folder / "col_one.key").chmod(0o600)
    with zipfile.ZipFile(tmp_path / "col_one_to_agg_cert_request.zip", "w") as archive:
        archive.write(folder / "col_one.csr", "col_one.csr")

    request = open_request(tmp_path / "col_one_to_agg_cert_request.zip")
    openssl(folder, "req", "-in", "col_one.csr", "-outform", "DER", "-out", "csr.der")
    assert openssl(folder, "dgst", "-sha256", "-r", "csr.der").split()[0] == request.fingerprint
    _, reply = sign_client(agg, load_authority(agg, None), request, tmp_path, now, Disk())
    found = import_reply(site, reply, None, now, Disk())

    assert found.certificate.public_key() == read_key(site.client("one", "key")).public_key()
    trusted = ("-CAfile", str(site.chain), str(found.path))
    assert openssl(folder, "verify", "-purpose", "sslclient", *trusted).endswith(": OK\n")
    refused = subprocess.run(
        ["openssl", "verify", "-purpose", "sslserver", *trusted], capture_output=True, check=False
    )
    assert refused.returncode != 0
    root = openssl(
        folder, "x509", "-in", str(agg.authority("root", "crt")), "-noout", "-fingerprint", "-sha256"
    )
    assert root.split("=")[1].strip().replace(":", "").lower() == found.root_fingerprint


@pytest.mark.parametrize("form", ["traditional", "parameters", "encrypted"])
def test_keys_in_openssls_own_forms_are_read(tmp_path: Path, form: str) -> None:
    words = {
        "traditional": ("ecparam", "-name", "secp384r1", "-genkey", "-noout"),
        "parameters": ("ecparam", "-name", "secp384r1", "-genkey"),
        "encrypted": (
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-aes256",
            "-pass",
            "pass:x1y2",
        ),
    }[form]
    openssl(tmp_path, *words, "-out", "a.key")
    (tmp_path / "a.key").chmod(0o600)

    assert read_key(tmp_path / "a.key", b"x1y2").key_size == 384
