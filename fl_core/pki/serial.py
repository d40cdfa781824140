"""Serial numbers of certificates as text."""

from __future__ import annotations

_MOST_DIGITS = 64


def serial_text(serial: int) -> str:
    """Return a serial number in lower-case hexadecimal, whole bytes.

    Example:
        >>> serial_text(0xABC)
        '0abc'
    """
    text = f"{serial:x}"
    return text.zfill(len(text) + len(text) % 2)


def parse_serial(text: object) -> int:
    """Return a serial number written in hexadecimal, with or without colons.

    Raises:
        ValueError: It is none.

    Example:
        >>> parse_serial("0A:BC")
        2748
    """
    digits = text.replace(":", "") if isinstance(text, str) else ""
    if not 0 < len(digits) <= _MOST_DIGITS or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"{text!r} is no serial number")
    return int(digits, 16)
