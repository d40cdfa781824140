"""Where the passphrase of a key comes from: never the command line, where others could read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fl_core.pki.errors import CertificateError, Reason

_LONGEST = 1024


def read_passphrase(
    source: str | None, environment: Mapping[str, str], ask: Callable[[], str]
) -> bytes | None:
    """Return the passphrase that a source names; None without a source.

    Args:
        source: ``env:VARIABLE``, ``file:PATH`` (its first line) or ``prompt``.
        environment: The variables.
        ask: Asks the user.

    Raises:
        CertificateError: No such source, or it is empty. The message never holds the passphrase.

    Example:
        >>> read_passphrase("env:PASS", {"PASS": "swordfish"}, ask=input)
        b'swordfish'
    """
    if source is None:
        return None
    kind, _, where = source.partition(":")
    if kind == "env" and where:
        text = environment.get(where, "")
        told = f"the variable {where} is not set, or empty"
    elif kind == "file" and where:
        text = _first_line(Path(where))
        told = f"{where}: its first line is empty"
    elif source == "prompt":
        text = ask()
        told = "no passphrase was given"
    else:
        # What was typed may be the passphrase itself, so it is not repeated.
        raise CertificateError(
            Reason.PASSPHRASE, "--key-passphrase takes env:VARIABLE, file:PATH or prompt, not the passphrase"
        )
    if not text:
        raise CertificateError(Reason.PASSPHRASE, told)
    if len(text.encode()) > _LONGEST:
        raise CertificateError(
            Reason.PASSPHRASE, f"the passphrase is longer than {_LONGEST} bytes; take a shorter one"
        )
    return text.encode()


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(_LONGEST + 2).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CertificateError(
            Reason.PASSPHRASE, f"{path}: the passphrase cannot be read from it ({type(error).__name__})"
        ) from error
