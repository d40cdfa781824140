"""From a request to a certificate in its place, on folders that stand for machines."""

from __future__ import annotations

import contextlib
import json
import stat
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from faulty_disk import Death, FaultyDisk

from fl_core.archive import ArchiveError, read_zip, write_zip
from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.pki.authorised import read_authorised
from fl_core.pki.authority import found_authority, load_authority, new_authority, revoke
from fl_core.pki.book import Revoked, Status, read_book
from fl_core.pki.certificate import pem
from fl_core.pki.enrolment import (
    Imported,
    Prepared,
    import_reply,
    open_request,
    request_client,
    request_server,
    sign_client,
    sign_server,
    waiting_server,
)
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import KeyType, new_key
from fl_core.pki.layout import Layout
from fl_core.pki.package import LIMITS
from fl_core.pki.revocation import RevocationList
from fl_core.pki.serial import serial_text
from fl_core.pki.verify import client_identity

DISK = Disk()


@pytest.fixture
def agg(tmp_path: Path, now: datetime) -> Layout:
    layout = Layout(tmp_path / "agg")
    found_authority(layout, KeyType.ECDSA, None, now, DISK)
    return layout


@pytest.fixture
def site(tmp_path: Path) -> Layout:
    (tmp_path / "site").mkdir()
    return Layout(tmp_path / "site")


def ask(site: Layout, name: str = "one", data: str | None = None) -> Prepared:
    return request_client(site, site.workspace, name, data, KeyType.ECDSA, None, DISK)


def sign(agg: Layout, package: Path, now: datetime, **more: int) -> Path:
    request, authority = open_request(package), load_authority(agg, None)
    return sign_client(agg, authority, request, agg.workspace, now, DISK, **more)[1]


def enrol(agg: Layout, site: Layout, now: datetime, name: str = "one") -> Imported:
    return import_reply(site, sign(agg, ask(site, name).path, now), None, now, DISK)


def files(layout: Layout) -> set[str]:
    root = layout.workspace
    return {each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_file()}


def test_the_papers_files(agg: Layout, site: Layout, now: datetime) -> None:
    made = ask(site, "one", "/data/one")
    assert files(site) == {
        "cert/client/col_one.key",
        "cert/client/col_one.csr",
        "plan/data.yaml",
        "col_one_to_agg_cert_request.zip",
    }
    assert site.data_paths.read_text() == "one: /data/one\n"
    assert read_zip(made.path, LIMITS) == {"col_one.csr": site.client("one", "csr").read_bytes()}

    reply = sign(agg, made.path, now, max_samples=80)
    assert made.request.fingerprint == read_book(agg.book).issued[0].request_sha256
    assert files(agg) == {
        "cert/ca/.lock",
        "cert/ca/book.json",
        *(f"cert/ca/{level}.{suffix}" for level in ("root", "signing") for suffix in ("key", "crt")),
        "cert/cert_chain.crt",
        f"cert/requests/col_one.{made.request.fingerprint[:16]}.csr",
        "plan/cols.yaml",
        "agg_to_col_one_signed_cert.zip",
    }
    assert read_authorised(agg.authorised) == {"one": 80}
    chain = x509.load_pem_x509_certificates(agg.chain.read_bytes())
    authority = load_authority(agg, None)
    assert chain == [authority.certificate, authority.root]
    for key in (agg.authority("root", "key"), agg.authority("signing", "key"), site.client("one", "key")):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(agg.ca.stat().st_mode) == 0o700

    found = import_reply(site, reply, None, now, DISK)
    assert site.chain.read_bytes() == agg.chain.read_bytes()
    assert found.root_fingerprint == authority.root.fingerprint(hashes.SHA256()).hex()
    assert client_identity(site.client("one", "crt").read_bytes(), now).name == "one"


def test_the_aggregators_own(agg: Layout, now: datetime) -> None:
    made = request_server(agg, "Agg.Example.org", KeyType.ECDSA, None, DISK)
    assert made.path == agg.workspace / "cert/server/agg_agg.example.org.csr"
    request = waiting_server(agg, None, "this.machine")  # the only one that is there
    certificate, path = sign_server(agg, load_authority(agg, None), request, now, 30, DISK)

    assert path.read_bytes() == pem(certificate)
    assert stat.S_IMODE(agg.server("agg.example.org", "key").stat().st_mode) == 0o600
    entry = read_book(agg.book).issued[0]
    assert (entry.subject, entry.role, int(entry.serial, 16)) == (
        "agg.example.org",
        "server",
        certificate.serial_number,
    )
    with pytest.raises(
        CertificateError, match=r"agg_other\.csr: there is no such request \(there: agg_agg\."
    ):
        waiting_server(agg, "other", "this.machine")


def test_a_key_that_is_there_is_kept(site: Layout) -> None:
    first = ask(site)
    key = site.client("one", "key").read_bytes()
    second = ask(site)

    assert (first.new_key, second.new_key) == (True, False)
    assert site.client("one", "key").read_bytes() == key
    assert second.request.public_key == first.request.public_key


def test_nothing_of_a_request_but_its_key_is_taken_over(agg: Layout, tmp_path: Path, now: datetime) -> None:
    key = new_key()
    wishes: list[x509.ExtensionType] = [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.SubjectAlternativeName([x509.DNSName("agg.example.org")]),
    ]
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "aggregator"),
            x509.NameAttribute(NameOID.COMMON_NAME, "one"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for wish in wishes:
        builder = builder.add_extension(wish, critical=True)
    signed = builder.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)
    write_zip(tmp_path / "r.zip", {"col_one.csr": signed})

    request, authority = open_request(tmp_path / "r.zip"), load_authority(agg, None)
    certificate, _ = sign_client(agg, authority, request, tmp_path, now, DISK)
    assert certificate.subject.rfc4514_string() == "CN=one"
    extensions = certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == []


@pytest.mark.parametrize(
    "extra",
    [
        {"cert/ca/signing.key": b"x"},
        {"../cert/ca/signing.key": b"x"},
        {"col_two.csr": b"x"},
        {"/etc/passwd": b"x"},
    ],
)
def test_a_package_with_more_than_its_request_changes_nothing(
    agg: Layout, site: Layout, now: datetime, extra: dict[str, bytes]
) -> None:
    package = ask(site).path
    with zipfile.ZipFile(package, "a") as archive:
        for name, content in extra.items():
            archive.writestr(name, content)
    before = {name: (agg.workspace / name).read_bytes() for name in files(agg)}

    with pytest.raises(ArchiveError):
        sign(agg, package, now)
    assert {name: (agg.workspace / name).read_bytes() for name in files(agg)} == before
    assert not (agg.workspace.parent / "cert").exists()


def test_a_package_of_another_name_is_refused(site: Layout, tmp_path: Path) -> None:
    package = ask(site, "one").path
    renamed = package.rename(tmp_path / "col_two_to_agg_cert_request.zip")
    with pytest.raises(CertificateError, match="holds the request of one, its file name says two"):
        open_request(renamed)
    write_zip(tmp_path / "x.zip", {"col_two.csr": site.client("one", "csr").read_bytes()})
    with pytest.raises(CertificateError, match="is a request for one, not for two") as raised:
        open_request(tmp_path / "x.zip")
    assert raised.value.reason is Reason.OTHER_NAME
    write_zip(tmp_path / "y.zip", {"col_-n.csr": b""})
    with pytest.raises(CertificateError, match="is no name of a collaborator"):
        open_request(tmp_path / "y.zip")
    browser = renamed.rename(tmp_path / "col_one_to_agg_cert_request (1).zip")
    assert open_request(browser).name == "one"


def test_kept_requests_never_overwrite(agg: Layout, site: Layout, now: datetime) -> None:
    first = ask(site)
    sign(agg, first.path, now)
    kept = {each: each.read_bytes() for each in agg.requests.iterdir()}
    site.client("one", "key").unlink()
    second = ask(site)
    sign(agg, second.path, now)
    sign(agg, second.path, now)

    assert len(list(agg.requests.iterdir())) == 2
    assert all(each.read_bytes() == content for each, content in kept.items())
    blocked = agg.requests / f"col_one.{second.request.fingerprint[:16]}.csr"
    blocked.unlink()
    blocked.symlink_to(agg.authority("signing", "key"))
    key = agg.authority("signing", "key").read_bytes()
    with pytest.raises(CertificateError, match="is there with other content"):
        sign(agg, second.path, now)
    assert agg.authority("signing", "key").read_bytes() == key


def test_a_broken_authorised_list_stops_before_signing(agg: Layout, site: Layout, now: datetime) -> None:
    agg.authorised.parent.mkdir()
    agg.authorised.write_text("collaborators: {}\n")
    with pytest.raises(InputError, match=r"cols\.yaml"):
        sign(agg, ask(site).path, now)
    assert not agg.book.exists()


def test_what_an_import_refuses(agg: Layout, site: Layout, tmp_path: Path, now: datetime) -> None:
    reply = sign(agg, ask(site).path, now)
    good = read_zip(reply, LIMITS)
    stranger, _ = new_authority(KeyType.ECDSA, now)
    mine, chain = good["col_one.crt"], good["cert_chain.crt"]
    cases: list[tuple[dict[str, bytes], Reason | None]] = [
        ({"col_one.crt": mine}, None),
        ({**good, "cert/client/col_one.key": b"x"}, None),
        ({"col_two.crt": mine, "cert_chain.crt": chain}, Reason.OTHER_NAME),
        ({"col_one.crt": mine, "cert_chain.crt": stranger.chain_pem}, Reason.OTHER_AUTHORITY),
        ({"col_one.crt": b"", "cert_chain.crt": chain}, Reason.UNREADABLE),
        ({"col_one.crt": chain, "cert_chain.crt": chain}, Reason.IS_AUTHORITY),
    ]
    before = files(site)
    for content, reason in cases:
        write_zip(tmp_path / "bad.zip", content)
        with pytest.raises((ArchiveError, CertificateError)) as raised:
            import_reply(site, tmp_path / "bad.zip", None, now, DISK)
        assert getattr(raised.value, "reason", None) is reason
    with pytest.raises(CertificateError, match="ended"):
        import_reply(site, reply, None, now + timedelta(days=366), DISK)
    site.client("one", "key").unlink()
    other = ask(site)
    with pytest.raises(CertificateError, match="reply to an earlier request") as raised_key:
        import_reply(site, reply, None, now, DISK)
    assert raised_key.value.reason is Reason.OTHER_KEY
    assert files(site) == before and other.new_key


def test_another_authority_is_not_trusted_silently(
    agg: Layout, site: Layout, tmp_path: Path, now: datetime
) -> None:
    enrol(agg, site, now)
    chain = site.chain.read_bytes()
    other = Layout(tmp_path / "other")
    found_authority(other, KeyType.ECDSA, None, now, DISK)

    with pytest.raises(CertificateError, match="another authority than") as raised:
        enrol(other, site, now)
    assert raised.value.reason is Reason.OTHER_AUTHORITY
    assert site.chain.read_bytes() == chain
    enrol(agg, site, now)  # a renewal from the same one


def test_an_import_trusts_only_the_authorities_of_its_own_certificate(
    agg: Layout, site: Layout, tmp_path: Path, now: datetime
) -> None:
    content = read_zip(sign(agg, ask(site).path, now), LIMITS)
    content["cert_chain.crt"] += new_authority(KeyType.ECDSA, now)[0].chain_pem
    write_zip(tmp_path / "more.zip", content)

    import_reply(site, tmp_path / "more.zip", None, now, DISK)
    assert site.chain.read_bytes() == agg.chain.read_bytes()


def test_one_authority_a_workspace(agg: Layout, now: datetime) -> None:
    before = {name: (agg.workspace / name).read_bytes() for name in files(agg)}
    with pytest.raises(CertificateError, match="there is an authority already"):
        found_authority(agg, KeyType.ECDSA, None, now, DISK)
    assert {name: (agg.workspace / name).read_bytes() for name in files(agg)} == before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(15))
def test_an_authority_appears_whole_or_not_at_all(
    tmp_path: Path, now: datetime, step: int, when: str
) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(Death):
        found_authority(layout, KeyType.ECDSA, None, now, FaultyDisk(step, when))
    assert not layout.ca.exists() or {each.name for each in layout.ca.iterdir()} == {
        "root.key",
        "root.crt",
        "signing.key",
        "signing.crt",
    }
    if not layout.chain.exists():
        found_authority(layout, KeyType.ECDSA, None, now, DISK)
    authority = load_authority(layout, None)
    assert layout.chain.read_bytes() == authority.chain_pem


def test_the_root_key_can_be_taken_away(agg: Layout, site: Layout, now: datetime) -> None:
    agg.authority("root", "key").unlink()
    assert enrol(agg, site, now).name == "one"


@pytest.mark.parametrize("step", range(15))
def test_a_certificate_that_left_is_in_the_book(agg: Layout, site: Layout, now: datetime, step: int) -> None:
    request = open_request(ask(site).path)
    disk = FaultyDisk(step)
    with contextlib.suppress(Death):
        sign_client(agg, load_authority(agg, None), request, agg.workspace, now, disk)
    reply = agg.workspace / "agg_to_col_one_signed_cert.zip"
    if reply.exists():
        serial = client_identity(read_zip(reply, LIMITS)["col_one.crt"], now).serial
        assert [int(entry.serial, 16) for entry in read_book(agg.book).issued] == [serial]
    sign(agg, ask(site).path, now)
    assert read_authorised(agg.authorised) == {"one": None}


def test_revocation_by_name_and_by_serial(agg: Layout, site: Layout, now: datetime) -> None:
    first, second, other = (enrol(agg, site, now, name) for name in ("one", "one", "two"))
    listed = RevocationList(agg.revoked)
    serials = [each.certificate.serial_number for each in (first, second, other)]
    assert not any(map(listed.is_revoked, serials))

    assert revoke(agg, f"{serials[0]:040X}", "superseded", now, DISK) == [serial_text(serials[0])]
    assert [listed.is_revoked(serial) for serial in serials] == [True, False, False]
    later = now + timedelta(days=1)
    assert len(revoke(agg, "one", "key-compromise", later, DISK)) == 2
    assert [listed.is_revoked(serial) for serial in serials] == [True, True, False]
    entries = read_book(agg.book).issued
    assert [entry.status(now) for entry in entries] == [Status.REVOKED, Status.REVOKED, Status.VALID]
    assert entries[0].revoked == Revoked(at=now.replace(microsecond=0), reason="superseded")
    assert entries[1].revoked == Revoked(at=later.replace(microsecond=0), reason="key-compromise")

    with pytest.raises(CertificateError, match="no certificate of 'three'") as raised:
        revoke(agg, "three", "unspecified", now, DISK)
    assert raised.value.reason is Reason.UNKNOWN_ENTRY


def test_the_list_is_mended_from_the_book(agg: Layout, site: Layout, now: datetime) -> None:
    serial = enrol(agg, site, now).certificate.serial_number
    with pytest.raises(Death):
        revoke(agg, "one", "unspecified", now, FaultyDisk(5))  # between the book and the list
    assert read_book(agg.book).issued[0].revoked and not RevocationList(agg.revoked).is_revoked(serial)

    revoke(agg, "one", "unspecified", now, DISK)
    assert RevocationList(agg.revoked).is_revoked(serial)


def test_without_an_authority_a_foreign_serial_is_blocked(site: Layout, now: datetime) -> None:
    assert revoke(site, "0A:BC", "unspecified", now, DISK) == ["0abc"]
    assert RevocationList(site.revoked).is_revoked(0xABC)
    with pytest.raises(CertificateError, match="only a serial number"):
        revoke(site, "hospital", "unspecified", now, DISK)


def test_the_books_form(agg: Layout, site: Layout, now: datetime) -> None:
    certificate = enrol(agg, site, now).certificate
    content = json.loads(agg.book.read_text())

    assert content["schema"] == "ca-book/1"
    assert content["issued"] == [
        {
            "serial": serial_text(certificate.serial_number),
            "subject": "one",
            "role": "client",
            "issued_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "request_sha256": open_request(site.workspace / "col_one_to_agg_cert_request.zip").fingerprint,
            "revoked": None,
        }
    ]


def test_a_key_that_is_not_the_authoritys_is_told(agg: Layout, now: datetime) -> None:
    agg.authority("signing", "crt").write_bytes(pem(new_authority(KeyType.ECDSA, now)[0].certificate))
    with pytest.raises(CertificateError, match="does not belong") as raised:
        load_authority(agg, None)
    assert raised.value.reason is Reason.OTHER_KEY
