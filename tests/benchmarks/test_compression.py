from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.compression import CODECS, main


def test_every_codec_has_its_four_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "5000", "--repeats", "1", "--json", str(tmp_path / "report.json")]) == 0

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["name"] == "compression"
    values = {case["case"]: case["value"] for case in report["cases"]}
    assert set(values) == {
        f"{name}-{what}" for name in CODECS for what in ("ratio", "error", "encode", "decode")
    }
    assert all(math.isfinite(value) and value > 0 for value in values.values())
    assert values["fp16-ratio"] == pytest.approx(2, rel=0.01)
    assert values["eden-1bit-error"] == pytest.approx(0.755, rel=0.1)
    assert "| eden-1bit | 3" in capsys.readouterr().out
