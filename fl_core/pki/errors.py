"""What can be wrong with a certificate, a key or a request, each reason with a name."""

from __future__ import annotations

from enum import StrEnum

from fl_core.errors import InputError


class Reason(StrEnum):
    """Why something was refused; the name stands in messages and logs."""

    UNREADABLE = "unreadable"
    BAD_NAME = "bad-name"
    NO_COMMON_NAME = "no-common-name"
    OTHER_NAME = "other-name"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    NOT_FOR_CLIENTS = "not-for-clients"
    NOT_FOR_SERVERS = "not-for-servers"
    IS_AUTHORITY = "is-authority"
    BAD_KEY_USAGE = "bad-key-usage"
    WEAK_KEY = "weak-key"
    BAD_SIGNATURE = "bad-signature"
    OTHER_KEY = "other-key"
    OTHER_AUTHORITY = "other-authority"
    PASSPHRASE = "passphrase"
    OPEN_KEY = "open-key"
    ALREADY_THERE = "already-there"
    MISSING = "missing"
    UNKNOWN_ENTRY = "unknown-entry"


class CertificateError(InputError):
    """A certificate, key, request or book that is refused.

    Attributes:
        reason: The named reason.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{message} [{reason}]")
        self.reason = reason
