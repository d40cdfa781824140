"""An aggregator in a process of its own: it posts work to one site again and again, and logs into a file.

``python served_hall.py FOLDER`` reads ``hall.json`` there; it ends when its standard input does, and says
then how much memory it had at most.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mutual_tls import TestAuthority


@dataclass
class ServedHall:
    """What a test knows of the process.

    Attributes:
        port: Where it listens.
        authority: Signed its certificate.
        log_path: Its log.
        peak_mib: Its largest resident size; 0 while it runs.
    """

    port: int
    authority: TestAuthority
    log_path: Path
    peak_mib: float = 0.0

    @property
    def target(self) -> str:
        return f"localhost:{self.port}"

    def log(self) -> str:
        return self.log_path.read_text()

    def deliveries(self) -> int:
        return self.log().count("delivered by")

    def wait_for(self, text: str, timeout_s: float = 20.0, start: int = 0) -> str:
        """Return the log's first line with a text that matches, once there is one."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for line in self.log()[start:].splitlines():
                if re.search(text, line):
                    return line
            time.sleep(0.05)
        lines = [line for line in self.log()[start:].splitlines() if "delivered by" not in line]
        raise AssertionError("\n".join([f"no line with {text!r} in:", *lines[-30:]]))


@contextmanager
def served_hall(
    folder: Path, authority: TestAuthority, site: str, model: Path, checksum: str
) -> Iterator[ServedHall]:
    """Run the process while the block lasts."""
    credentials = authority.server()
    settings = {"key": credentials.key.decode(), "chain": credentials.chain.decode()}
    settings |= {"roots": credentials.roots.decode(), "site": site, "model": str(model), "checksum": checksum}
    (folder / "hall.json").write_text(json.dumps(settings))
    words = [sys.executable, __file__, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **pipes, text=True, env=with_the_project()) as process:
        output, given = _pipes(process)
        try:
            here = ServedHall(int(output.readline()), authority, folder / "log")
            yield here
            given.close()
            here.peak_mib = float(output.readline())
            process.wait(20)
        finally:
            process.kill()


def with_the_project() -> dict[str, str]:
    """Return an environment in which a script finds `benchmarks`, which is not installed."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdout is not None and process.stdin is not None
    return process.stdout, process.stdin


def main(folder: Path) -> None:
    settings = json.loads((folder / "hall.json").read_text())
    logging.basicConfig(
        filename=folder / "log", level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    from benchmarks.resident import peak_resident
    from fl_core.transport.handshake_log import HandshakeLog

    with HandshakeLog():  # before gRPC is imported
        from mutual_tls import hall

        from fl_core.transport.board import Delivered
        from fl_core.transport.messages import BlobRef, Work
        from fl_core.transport.server import ServerCredentials

        credentials = ServerCredentials(
            settings["key"].encode(), settings["chain"].encode(), settings["roots"].encode()
        )
        model = Path(settings["model"])
        blob = BlobRef(settings["checksum"], model.stat().st_size)
        ended = threading.Event()

        def watch() -> None:
            sys.stdin.read()
            ended.set()

        threading.Thread(target=watch, daemon=True).start()
        authority: Any = None  # it is with the test
        with hall(folder, authority, {settings["site"]}, credentials=credentials) as here:
            here.board.publish(blob, model)
            print(here.port, flush=True)
            number = 0
            while not ended.is_set():
                here.board.post(settings["site"], Work(str(number), 0, ("train",), blob))
                while not ended.is_set():
                    event = here.board.next_event(0.1)
                    if isinstance(event, Delivered):
                        logging.info("delivered by %s: work %d", event.site, number)
                        here.spool.clear(settings["site"])
                        break
                number += 1
    print(peak_resident() / 2**20, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]))
