"""Setting one value in a YAML file without touching the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from fl_core.plan.edit import set_value

KEYS = ["network", "settings", "agg_addr"]
COMMENTED = (
    "# mine\nnetwork:   # where\n  settings:\n    agg_addr: auto  # me\n    tls: true\nother: [1, 2]\n"
)


def test_comments_and_order_stay() -> None:
    assert set_value(COMMENTED, KEYS, "host.example") == COMMENTED.replace("auto", "host.example")


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (
            "a: 1  # one\nnetwork :\n  defaults : x  # d\n",
            "a: 1  # one\nnetwork :\n  settings:\n    agg_addr: h\n  defaults : x  # d\n",
        ),
        ("a: 1  # one\n", "network:\n  settings:\n    agg_addr: h\na: 1  # one\n"),
        ("network: {settings: {tls: true}}\n", "network: {settings: {agg_addr: h, tls: true}}\n"),
        ("network: {tls: 1}  # c\n", "network: {settings: {agg_addr: h}, tls: 1}  # c\n"),
    ],
)
def test_what_is_missing_is_put_in(text: str, edited: str) -> None:
    assert set_value(text, KEYS, "h") == edited


@pytest.mark.parametrize(
    "text", ["", "network:\n", "network:\n  settings: {}\n", "a: &x {tls: 1}\nnetwork: *x\n"]
)
def test_what_cannot_be_edited_is_written_anew(text: str) -> None:
    before = yaml.safe_load(text) or {}

    after = yaml.safe_load(set_value(text, KEYS, "h"))

    assert after["network"]["settings"]["agg_addr"] == "h"
    assert {k: v for k, v in after.items() if k != "network"} == {
        k: v for k, v in before.items() if k != "network"
    }


NAMES = st.sampled_from(["network", "settings", "agg_addr", "x", "y"])
CONTENT = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(NAMES, inner), max_leaves=8
)


@given(
    st.dictionaries(NAMES, CONTENT), st.text(min_size=1, max_size=8) | st.integers(1, 65535), st.booleans()
)
@example({}, "\x85", False)
@example({"x": "\x85", "network": None}, "ü", False)
def test_exactly_one_value_changes(content: dict[str, Any], value: str | int, flow: bool) -> None:
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=flow or None)

    after = yaml.safe_load(set_value(text, KEYS, value))

    expected = place = copy.deepcopy(content)
    for key in KEYS[:-1]:
        place = place.setdefault(key, {}) if isinstance(place.get(key, {}), dict) else _replaced(place, key)
    place[KEYS[-1]] = value
    assert after == expected


def _replaced(place: dict[str, Any], key: str) -> dict[str, Any]:
    place[key] = {}
    return place[key]
