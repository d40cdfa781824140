import math
from pathlib import Path

import pytest

from leaderboard.errors import OutboxError
from leaderboard.outbox import Message, load_outbox, round_message, save_outbox


def test_what_is_saved_comes_back_in_order(tmp_path: Path) -> None:
    messages = [
        Message("params", {"seed": "1"}),
        round_message(0, {"score": 0.5, "loss": math.inf}, 12),
        Message("finish", {"status": "FINISHED", "time_ms": 13}),
    ]
    save_outbox(tmp_path / "checkpoint" / "outbox.jsonl", [Message("open", {}), *messages])
    assert load_outbox(tmp_path / "checkpoint" / "outbox.jsonl") == messages
    assert messages[1].content == {
        "step": 0,
        "time_ms": 12,
        "metrics": {"score": 0.5},
        "not_finite": {"loss": "inf"},
    }


def test_an_empty_outbox_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    save_outbox(path, [Message("params", {"a": "b"})])
    save_outbox(path, [Message("open", {})])
    assert not path.exists()
    assert load_outbox(path) == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{", "line 1 is not JSON"),
        (b"[]", "not of the schema"),
        (b'{"schema": "outbox/2"}', "not of the schema outbox/1"),
        (b'{"schema": "outbox/1", "kind": "eval", "content": {}}', "no known kind"),
        (b'{"schema": "outbox/1", "kind": "round", "content": {"step": 1}}', "lacks time_ms"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_damaged_outbox_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "outbox.jsonl"
    path.write_bytes(content)
    with pytest.raises(OutboxError, match=what) as caught:
        load_outbox(path)
    assert str(path) in str(caught.value)
