"""Which names may stand in certificates and file names."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.names import check_fqdn, check_name

GOOD = string.ascii_letters + string.digits + "_"


@given(st.sampled_from(GOOD), st.text(GOOD + ".-", max_size=63))
def test_a_good_name_is_kept(first: str, rest: str) -> None:
    assert check_name(first + rest) == first + rest


@given(st.text(max_size=80))
def test_any_other_name_is_refused(text: str) -> None:
    good = 0 < len(text) <= 64 and text[0] in GOOD and all(c in GOOD + ".-" for c in text)
    if good:
        assert check_name(text) == text
        return
    with pytest.raises(CertificateError) as raised:
        check_name(text)
    assert raised.value.reason is Reason.BAD_NAME
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "-n", ".hidden", "a/b", "a\n", "a b", "ä", "a" * 65, "a\0", "١"]
)
def test_traps(bad: str) -> None:
    with pytest.raises(CertificateError):
        check_name(bad)


@given(st.text(max_size=70))
def test_an_accepted_fqdn_is_one_harmless_file_name(text: str) -> None:
    try:
        name = check_fqdn(text)
    except CertificateError as error:
        assert error.reason is Reason.BAD_NAME
        return
    assert re.fullmatch(r"[0-9a-z.:-]{1,64}", name) and name[0] not in ".-"
    assert check_fqdn(name) == name


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("localhost", "localhost"),
        ("Agg-1.Example.ORG", "agg-1.example.org"),
        ("192.168.0.1", "192.168.0.1"),
        ("0:0::1", "::1"),
    ],
)
def test_fqdns(given_: str, kept: str) -> None:
    assert check_fqdn(given_) == kept


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a..b",
        ".a",
        "a.",
        "-a.b",
        "a-.b",
        "a_b",
        "*.a.b",
        "a/b",
        "1.2.3",
        "1.2.3.4.5",
        "fe80::1%eth0",
        "a" * 65,
    ],
)
def test_bad_fqdns(bad: str) -> None:
    with pytest.raises(CertificateError, match="--fqdn"):
        check_fqdn(bad)
