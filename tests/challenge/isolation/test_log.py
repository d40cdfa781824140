from __future__ import annotations

import os
from pathlib import Path

import pytest
from isolated_round import Start, select

from challenge.isolation.limits import Limits
from challenge.isolation.log import OutputLog
from tasks.task1_aggregation.errors import StrategyError


def test_megabytes_of_output_block_nothing_and_are_cut(start: Start, log: Path) -> None:
    host = start(
        """
        import sys
        def select_sites(context):
            print("first words")
            for _ in range(300):
                print("x" * 10_000)
                print("y" * 10_000, file=sys.stderr)
            return context.names
        """,
        limits=Limits(log_bytes=100_000),
    )
    assert select(host) == ["1", "2", "3"]
    host.close()
    content = log.read_text()
    assert content.startswith("first words") and 100_000 < len(content) < 100_200
    assert content.rstrip().endswith("the rest of the output is cut]")
    assert content.count("is cut") == 1


def test_the_log_has_prints_logging_and_tracebacks_in_order(start: Start, log: Path) -> None:
    host = start(
        """
        import logging
        def select_sites(context):
            print("printed", end="")
            logging.getLogger("mine").warning("logged")
            raise RuntimeError("reason")
        """
    )
    with pytest.raises(StrategyError):
        select(host)
    host.close()
    content = log.read_text()
    order = [
        content.index(t) for t in ("printed", "WARNING mine: logged", "Traceback", "RuntimeError: reason")
    ]
    assert order == sorted(order)


def drained(content: bytes, path: Path, limit: int) -> bytes:
    reading, writing = os.pipe()
    log = OutputLog(os.fdopen(reading, "rb"), path, limit)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)
    log.finish(timeout=5)
    log.finish(timeout=5)
    return path.read_bytes()


def test_what_fits_is_kept_to_the_byte_and_what_was_there_counts(log: Path) -> None:
    assert drained(b"0123456789", log, 10) == b"0123456789"
    assert drained(b"", log, 10) == b"0123456789"
    cut = drained(b"abc", log, 12)
    assert cut.startswith(b"0123456789ab\n[strategy.log: 12 bytes are reached")
    assert drained(b"more", log, 12) == cut


def test_a_log_that_cannot_be_written_blocks_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = os.pipe()
    log = OutputLog(os.fdopen(reading, "rb"), tmp_path / "no" / "folder", 10)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"x" * 1_000_000)
    log.finish(timeout=5)
    assert "cannot be written" in caplog.text
