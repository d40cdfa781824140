"""The generated code is what protoc makes of the protocol file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = Path("fl_core/transport")


def test_the_generated_code_belongs_to_the_protocol_file(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            "-I",
            ".",
            f"--python_out={tmp_path}",
            f"--pyi_out={tmp_path}",
            str(FOLDER / "federation.proto"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for name in ("federation_pb2.py", "federation_pb2.pyi"):
        assert (ROOT / FOLDER / name).read_text() == (tmp_path / FOLDER / name).read_text(), (
            "run `make protocol`"
        )
