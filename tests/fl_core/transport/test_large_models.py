"""A tensor above 1 GiB, a model above 2 GiB: both ways, in no more memory than the model at the site."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xxhash
from mutual_tls import TestAuthority
from served_hall import served_hall, with_the_project

import fl_core
from fl_core.tensors.codec import encode

GIB = 1 << 30
ROOT = Path(fl_core.__file__).parents[1]


def sparse_model(path: Path) -> str:
    """Write zeros with a one at each tensor's end, which take hardly any disk; return the checksum."""
    counts = {"big": (GIB + (64 << 20)) // 4, "other": GIB // 4}
    end, header, ends = 0, dict[str, object](), list[int]()
    for name, count in counts.items():
        header[name] = {"dtype": "F32", "shape": [count], "data_offsets": [end, end + 4 * count]}
        end += 4 * count
        ends.append(end)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for last in ends:
            file.seek(start + last - 4)
            file.write(np.float32(1).tobytes())
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            state.update(block)
    return f"xxh3:{state.hexdigest()}"


def test_the_sparse_file_is_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "GIB", 1 << 10)
    checksum = sparse_model(tmp_path / "small")
    big, other = np.zeros((1 << 10) // 4 + (64 << 18), np.float32), np.zeros(1 << 8, np.float32)
    big[-1] = other[-1] = 1
    content = (tmp_path / "small").read_bytes()
    assert content == encode({"big": big, "other": other})
    assert checksum == f"xxh3:{xxhash.xxh3_128_hexdigest(content)}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_model_above_two_gib_goes_both_ways(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 8 * GIB:
        pytest.skip("this machine has less than 8 GiB of disk free")
    authority = TestAuthority.new()
    model = tmp_path / "model"
    checksum = sparse_model(model)
    size = model.stat().st_size
    assert size > 2 * GIB
    with served_hall(tmp_path, authority, "a", model, checksum) as here:
        own = authority.site("a")
        settings = {"key": own.key.decode(), "chain": own.chain.decode(), "roots": own.roots.decode()}
        settings |= {"target": here.target, "update": str(model), "checksum": checksum}
        (tmp_path / "site.json").write_text(json.dumps(settings))
        site = ROOT / "tests" / "shared" / "lone_site.py"
        done = subprocess.run(
            [sys.executable, str(site), str(tmp_path)],
            env=with_the_project(),
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        here.wait_for("delivered by a: work 0")
    said = json.loads(done.stdout)
    assert said["verdict"] == ""
    assert said["shapes"] == {"big": ["float32", (GIB + (64 << 20)) // 4], "other": ["float32", GIB // 4]}
    assert said["ends"] == {"big": 1.0, "other": 1.0}
    mib = size / (1 << 20)
    assert said["grown_mib"] < mib + 256, "the model once, and some parts"
    assert here.peak_mib < mib / 4, "nothing of the model stays in the aggregator's memory"
