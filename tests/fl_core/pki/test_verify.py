"""What a certificate proves, checked by our own rules and by two TLS stacks."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.pki.authority import Authority, new_authority
from fl_core.pki.certificate import Role, pem
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import KeyType, PrivateKey, key_pem, new_key
from fl_core.pki.verify import ClientIdentity, check_chain, check_server, client_identity

Certify = Callable[..., tuple[x509.Certificate, PrivateKey]]
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def foreign(now: datetime, *names: str, extensions: tuple[x509.ExtensionType, ...] = ()) -> bytes:
    """A self-signed certificate with whatever is asked for."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return pem(builder.sign(key, hashes.SHA384()))


def usage(*oids: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(oids)


def test_who_a_peer_is(authority: Authority, certify: Certify, now: datetime) -> None:
    certificate, _ = certify(Role.CLIENT, "hospital_1")

    identity = ClientIdentity("hospital_1", certificate.serial_number)
    assert client_identity(pem(certificate), now) == identity
    assert client_identity(pem(certificate) + authority.chain_pem, now) == identity


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (timedelta(hours=-1, minutes=-4), None),
        (timedelta(hours=-1, minutes=-6), Reason.NOT_YET_VALID),
        (timedelta(days=365, minutes=4), None),
        (timedelta(days=365, minutes=6), Reason.EXPIRED),
    ],
)
def test_dates_with_a_little_skew(
    certify: Certify, now: datetime, after: timedelta, reason: Reason | None
) -> None:
    client, server = pem(certify(Role.CLIENT, "one")[0]), pem(certify(Role.SERVER, "localhost")[0])
    if reason is None:
        assert client_identity(client, now + after).name == "one"
        check_server(server, "localhost", now + after)
        return
    for check in (
        lambda: client_identity(client, now + after),
        lambda: check_server(server, None, now + after),
    ):
        with pytest.raises(CertificateError) as raised:
            check()
        assert raised.value.reason is reason


def test_a_client_needs_client_auth_and_one_good_name(
    certify: Certify, authority: Authority, now: datetime
) -> None:
    urn = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:fl:collaborator:two")])
    no_signing = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    cases = [
        (pem(certify(Role.SERVER, "localhost")[0]), Reason.NOT_FOR_CLIENTS),
        (foreign(now, "one"), Reason.NOT_FOR_CLIENTS),
        (
            foreign(now, "one", extensions=(usage(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),)),
            Reason.NOT_FOR_CLIENTS,
        ),
        (foreign(now, extensions=(usage(CLIENT),)), Reason.NO_COMMON_NAME),
        (foreign(now, "one", "two", extensions=(usage(CLIENT),)), Reason.NO_COMMON_NAME),
        (foreign(now, "../one", extensions=(usage(CLIENT),)), Reason.BAD_NAME),
        (foreign(now, "one", extensions=(usage(CLIENT), urn)), Reason.OTHER_NAME),
        (foreign(now, "one", extensions=(usage(CLIENT), no_signing)), Reason.BAD_KEY_USAGE),
        (
            foreign(now, "one", extensions=(usage(CLIENT), x509.BasicConstraints(True, None))),
            Reason.IS_AUTHORITY,
        ),
        (pem(authority.certificate), Reason.IS_AUTHORITY),
        (b"garbage", Reason.UNREADABLE),
        (b"", Reason.UNREADABLE),
    ]
    for content, reason in cases:
        with pytest.raises(CertificateError) as raised:
            client_identity(content, now, "peer ipv4:10.0.0.9:4000")
        assert raised.value.reason is reason, raised.value
        assert "10.0.0.9" in str(raised.value) or reason is Reason.BAD_NAME
    assert client_identity(foreign(now, "one", extensions=(usage(SERVER, CLIENT),)), now).name == "one"


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_damage_makes_it_fail_otherwise(
    client_pem: tuple[bytes, bytes], now: datetime, place: int, value: int
) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(client_pem[0].decode()))
    der[place % len(der)] = value
    content = ssl.DER_cert_to_PEM_cert(bytes(der)).encode()
    for check in (lambda: client_identity(content, now), lambda: check_server(content, "one", now)):
        try:
            check()
        except CertificateError as error:
            assert str(error).isprintable()


@pytest.mark.parametrize(
    ("names", "address", "fits"),
    [
        ([x509.DNSName("agg.example.org")], "AGG.example.org", True),
        ([x509.DNSName("agg.example.org")], "example.org", False),
        ([x509.DNSName("*.example.org")], "agg.example.org", True),
        ([x509.DNSName("*.example.org")], "a.b.example.org", False),
        ([x509.DNSName("*.example.org")], "example.org", False),
        ([x509.DNSName("10.0.0.1")], "10.0.0.1", False),
        ([], "agg.example.org", False),
    ],
)
def test_a_servers_certificate_is_for_its_address(
    now: datetime, names: list[x509.GeneralName], address: str, fits: bool
) -> None:
    alternative = (x509.SubjectAlternativeName(names),) if names else ()
    content = foreign(now, "agg.example.org", extensions=(usage(SERVER), *alternative))
    check_server(content, None, now)
    if fits:
        check_server(content, address, now)
        return
    with pytest.raises(CertificateError, match=f"is not for {address}") as raised:
        check_server(content, address, now)
    assert raised.value.reason is Reason.OTHER_NAME


def test_a_collaborators_certificate_is_no_servers(certify: Certify, now: datetime) -> None:
    check_server(pem(certify(Role.SERVER, "127.0.0.1")[0]), "127.0.0.1", now)
    with pytest.raises(CertificateError, match="lacks serverAuth") as raised:
        check_server(pem(certify(Role.CLIENT, "localhost")[0]), "localhost", now)
    assert raised.value.reason is Reason.NOT_FOR_SERVERS


def test_a_chain_leads_to_its_root(authority: Authority, certify: Certify, now: datetime) -> None:
    certificate, _ = certify(Role.CLIENT, "one")
    other, _ = new_authority(KeyType.ECDSA, now)
    signing, root = authority.certificate, authority.root

    assert check_chain(certificate, [root, other.root, signing], now, "x") == [signing, root]
    for chain in ([signing], [root], [], [other.certificate, other.root], [certificate, root]):
        with pytest.raises(CertificateError, match="not signed by") as raised:
            check_chain(certificate, chain, now, "x")
        assert raised.value.reason is Reason.OTHER_AUTHORITY
    with pytest.raises(CertificateError) as raised:
        check_chain(certificate, [signing, root], now + timedelta(days=2000), "x")
    assert raised.value.reason is Reason.EXPIRED


def context(
    folder: Path, purpose: int, certificate: tuple[bytes, bytes], trusted: bytes, check_name: bool = False
) -> ssl.SSLContext:
    made = ssl.SSLContext(purpose)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = check_name
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=trusted.decode())
    (folder / "c.pem").write_bytes(certificate[0])
    (folder / "k.pem").write_bytes(certificate[1])
    made.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, address: str) -> bytes:
    """Speak TLS in memory; return the client's certificate as the server sees it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=address),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ends[1].write(b"welcome")
    assert ends[0].read() == b"welcome"
    der = ends[1].getpeercert(binary_form=True)
    assert der is not None
    return ssl.DER_cert_to_PEM_cert(der).encode()


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "::1"])
def test_two_parties_meet_over_tls(
    tmp_path: Path, authority: Authority, certify: Certify, now: datetime, address: str
) -> None:
    (mine, key), (yours, other) = certify(Role.SERVER, address), certify(Role.CLIENT, "one")
    for trusted in (authority.chain_pem, pem(authority.root)):
        ends = (
            (pem(mine, authority.certificate), key_pem(key)),
            (pem(yours, authority.certificate), key_pem(other)),
        )
        server = context(tmp_path, ssl.PROTOCOL_TLS_SERVER, ends[0], trusted)
        client = context(tmp_path, ssl.PROTOCOL_TLS_CLIENT, ends[1], trusted, check_name=True)
        seen = handshake(server, client, address)
        assert client_identity(seen, now) == ClientIdentity("one", yours.serial_number)


def test_the_tls_stack_refuses_a_role_that_is_not_ones_own(
    tmp_path: Path, authority: Authority, certify: Certify, now: datetime
) -> None:
    trusted = authority.chain_pem
    roles = {}
    for role in Role:
        certificate, key = certify(role, "localhost")
        roles[role] = pem(certificate), key_pem(key)
    good = {
        Role.SERVER: context(tmp_path, ssl.PROTOCOL_TLS_SERVER, roles[Role.SERVER], trusted),
        Role.CLIENT: context(tmp_path, ssl.PROTOCOL_TLS_CLIENT, roles[Role.CLIENT], trusted),
    }
    handshake(good[Role.SERVER], good[Role.CLIENT], "localhost")

    with pytest.raises(ssl.SSLError, match=r"(unsuitable|unsupported) certificate purpose"):
        posing = context(tmp_path, ssl.PROTOCOL_TLS_SERVER, roles[Role.CLIENT], trusted)
        handshake(posing, good[Role.CLIENT], "localhost")
    with pytest.raises(ssl.SSLError, match=r"(unsuitable|unsupported) certificate purpose"):
        posing = context(tmp_path, ssl.PROTOCOL_TLS_CLIENT, roles[Role.SERVER], trusted)
        handshake(good[Role.SERVER], posing, "localhost")
    stranger, _ = new_authority(KeyType.ECDSA, now)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        wrong = context(tmp_path, ssl.PROTOCOL_TLS_CLIENT, roles[Role.CLIENT], stranger.chain_pem)
        handshake(good[Role.SERVER], wrong, "localhost")


def test_grpc_gives_what_the_check_takes(any_authority: Authority, now: datetime) -> None:
    import grpc

    from fl_core.pki.request import new_request, read_request

    made = {}
    for role, name in ((Role.SERVER, "localhost"), (Role.CLIENT, "one")):
        key = new_key(KeyType.RSA if "RSA" in type(any_authority.key).__name__ else KeyType.ECDSA)
        asked = read_request(new_request(key, name), name, role, "a test")
        made[role] = key_pem(key), pem(any_authority.certify(asked, now))

    def seen(call: grpc.ServicerContext) -> bytes:
        found: Any = call.auth_context()["x509_pem_cert"]  # a list, whatever the stubs say
        return bytes(found[0])

    def who(_: bytes, call: grpc.ServicerContext) -> bytes:
        found = client_identity(seen(call), now)
        return f"{found.name} {found.serial:x}".encode()

    chain = any_authority.chain_pem
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("t", {"who": grpc.unary_unary_rpc_method_handler(who)}),)
    )
    credentials = grpc.ssl_server_credentials([made[Role.SERVER]], chain, require_client_auth=True)
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        for role, told in ((Role.CLIENT, True), (Role.SERVER, False)):
            mine = grpc.ssl_channel_credentials(chain, *made[role])
            with grpc.secure_channel(f"localhost:{port}", mine) as channel:
                if told:
                    serial = x509.load_pem_x509_certificate(made[role][1]).serial_number
                    assert (
                        channel.unary_unary("/t/who", None, None)(b"", timeout=20)
                        == f"one {serial:x}".encode()
                    )
                    continue
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary("/t/who", None, None)(b"", timeout=20)
    finally:
        server.stop(0)
