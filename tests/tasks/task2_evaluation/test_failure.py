from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tasks.task2_evaluation.failure import (
    BUILT_IN,
    MOST_FRAMES,
    Failure,
    Frame,
    coarse,
    exception_name,
    failure_report,
    filtered,
    frames_in,
)

LINES = {"model.py": 12, "sub/net.py": 3}


@given(
    exception=st.none() | st.text(max_size=20) | st.sampled_from(["KeyError", "MemoryError"]),
    frames=st.lists(st.tuples(st.sampled_from([*LINES, "/etc/passwd", "x"]), st.integers())),
)
def test_nothing_passes_that_is_not_on_a_short_list(
    exception: str | None, frames: list[tuple[str, int]]
) -> None:
    failure = filtered("predict", exception, frames, LINES)

    assert failure.exception in {None, "custom", *BUILT_IN}
    assert all(1 <= frame.line <= LINES.get(frame.file, 0) for frame in failure.frames)
    assert len(failure.frames) <= MOST_FRAMES


def test_an_exception_that_takes_a_built_in_name_is_custom() -> None:
    fake = type("ValueError", (Exception,), {"__module__": "model"})
    lying = type("Mueller", (Exception,), {"__module__": "builtins"})

    assert [exception_name(e) for e in (ValueError("secret"), fake(), lying())] == [
        "ValueError",
        "custom",
        "custom",
    ]


def test_only_the_packages_own_frames_are_named(tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_text("import json\n\ndef predict(text):\n    return json.loads(text)\n")
    space: dict[str, object] = {}
    exec(compile(source.read_text(), str(source), "exec"), space)
    try:
        space["predict"]("secret")  # type: ignore[operator]
    except ValueError as error:
        assert frames_in(error, tmp_path) == [("model.py", 4)]


def test_times_are_told_in_steps() -> None:
    assert [coarse(s) for s in (0, 1, 1.01, 2, 100)] == [
        "up to 1 s",
        "up to 1 s",
        "up to 2 s",
        "up to 2 s",
        "up to 128 s",
    ]


def test_the_report_counts_and_does_not_say_which_case() -> None:
    one = Failure("predict", "KeyError", (Frame("model.py", 3),))
    many = [("crashed", Failure("predict", "custom", (Frame("model.py", n),))) for n in range(1, 12)]
    report = failure_report(
        "sha256:ab",
        [("timeout", Failure("predict")), ("crashed", one), ("crashed", one), *many],
        {"ok": 4},
        5.0,
    )

    assert report["failures"][0] == {
        "status": "crashed",
        "cases": 2,
        "phase": "predict",
        "exception": "KeyError",
        "frames": ({"file": "model.py", "line": 3},),
    }
    assert len(report["failures"]) == 10 and report["not_itemised"] == 3
    assert report["slowest"] == "up to 8 s"
    assert set(json.loads(json.dumps(report))) == {
        "schema", "package", "by_status", "slowest", "failures", "not_itemised",
    }  # fmt: skip


@given(
    st.permutations([("crashed", "KeyError"), ("crashed", "OSError"), ("timeout", None), ("labels", None)])
)
def test_the_order_of_the_cases_does_not_show(order: list[tuple[str, str | None]]) -> None:
    failures = [(status, Failure("predict", name)) for status, name in order]

    assert failure_report("p", failures, {}, 1.0) == failure_report("p", failures[::-1], {}, 1.0)
