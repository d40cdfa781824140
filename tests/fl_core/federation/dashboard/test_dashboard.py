"""The operator's view: one story of a federation, as lines, as a table and as numbers."""

from __future__ import annotations

import io
import logging
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from fl_core.errors import InputError
from fl_core.federation.dashboard.lines import PlainLines, duration_text
from fl_core.federation.dashboard.prometheus import PrometheusEndpoint
from fl_core.federation.dashboard.table import Dashboard, drawn, headline
from fl_core.federation.dashboard.view import FederationView, after
from fl_core.federation.progress import (
    Began,
    Ended,
    Late,
    Progress,
    Remark,
    RoundBegan,
    RoundEnded,
    SiteDelivered,
    SiteDropped,
    SiteJoined,
    SiteLeft,
    SiteTold,
    WaitingForFarewell,
)
from fl_core.federation.round_row import RoundRow, SiteRow

TASKS = ("validate", "train")
STORY: list[tuple[float, Progress]] = [
    (0, Began("f1", 3, 0, resumed=False, finished=False)),
    (1, SiteJoined("a")),
    (2, RoundBegan(0, {"a": TASKS, "b": TASKS, "c": ()})),
    (3, SiteTold("a", "round 0: train: working")),
    (4, SiteJoined("b")),
    (10, SiteDelivered(SiteRow(0, "a", "ok", samples={"train": 30, "validate": 4}, wall_s=6.0))),
    (20, SiteDropped("b", 0, "claims 9 samples; its registered cap is 5")),
    (21, Late("b", 0)),
    (22, RoundEnded(RoundRow(0, "ok", 0.5, 0.5, 2, 1, 1, {}))),
    (22, RoundBegan(1, {"a": TASKS, "b": ("validate",)}, arrived=("a",))),
    (25, SiteLeft("b", "it said nothing for 45 s")),
    (26, Remark("disk: 1 GB free")),
]
END: list[tuple[float, Progress]] = [
    (32, RoundEnded(RoundRow(1, "too few updates", None, 0.5, 2, 1, 0, {}))),
    (33, RoundBegan(3, {"a": ("validate",)})),
    (34, RoundEnded(RoundRow(3, "validation", 0.75, 0.75, 1, 1, 0, {}))),
    (35, WaitingForFarewell(("a", "b"), 60.0)),
    (36, SiteLeft("a", "the federation is over")),
    (37, Ended(True, 3, "all 3 rounds are over", 0.75, 3, untold=("b",))),
]


def seen(story: list[tuple[float, Progress]]) -> FederationView:
    view = FederationView()
    for now_s, told in story:
        view = after(view, told, now_s)
    return view


def test_the_story_in_plain_lines() -> None:
    lines: list[str] = []
    now = [0.0]
    plain = PlainLines(lines.append, lambda: now[0])
    for now[0], told in STORY + END:
        plain(told)

    assert lines == [
        "federation f1: begins; rounds 0 to 2",
        "a: connected (1 sites now)",
        "round 0 (of 3): 2 sites have tasks: a, b",
        "round 0: not connected: b",
        "b: connected (2 sites now)",
        "round 0: a: results taken after 6.0 s",
        "round 0: b: dropped: claims 9 samples; its registered cap is 5",
        "round 0: b: results came too late and were not taken",
        "round 0: ok: 1 of 2 sites, 1 dropped; score 0.5000, best 0.5000; about 40 s left",
        "round 1 (of 3): 2 sites have tasks: a, b",
        "round 1: results are here already: a",
        "b: connection lost: it said nothing for 45 s (1 sites now)",
        "disk: 1 GB free",
        "round 1: too few updates: 1 of 2 sites; not scored; about 15 s left",
        "round 3 (the last model is validated): 1 sites have tasks: a",
        "round 3: validation: 1 of 1 sites; score 0.7500, best 0.7500",
        "telling the sites that it is over, for up to 1 min 0 s: a, b",
        "a: left: the federation is over (0 sites now)",
        "all 3 rounds are over",
        "did not read of the end: b",
    ]


@pytest.mark.parametrize(
    ("began", "line"),
    [
        (Began("f", 5, 2, resumed=True, finished=False), "federation f: goes on with round 2; rounds 0 to 4"),
        (Began("f", 5, 5, resumed=True, finished=True), "federation f: all 5 rounds are over already"),
    ],
)
def test_how_a_federation_that_was_led_before_begins(began: Began, line: str) -> None:
    lines: list[str] = []
    PlainLines(lines.append)(began)
    assert lines == [line]


def test_a_sites_words_cannot_steer_the_terminal() -> None:
    lines: list[str] = []
    PlainLines(lines.append)(SiteDropped("a", 0, "\x1b[2J\nfake line"))
    assert lines == ["round 0: a: dropped: ?[2J?fake line"]

    console = Console(record=True, width=120, file=io.StringIO())
    console.print(drawn(seen([(0, SiteTold("a", "[red]\x1b]0;title\x07"))]), 0))
    assert "[red]?]0;title?" in console.export_text()


def test_the_table_shows_who_does_what() -> None:
    console = Console(record=True, width=140, file=io.StringIO())
    console.print(drawn(seen(STORY), 26.0))
    text = console.export_text()
    rows = {
        line.split("│")[1].strip(): line.split("│")[2:-1] for line in text.splitlines() if line[:1] == "│"
    }

    assert (
        text.splitlines()[0].strip()
        == "federation f1 | round 1 of 3, for 4.0 s | 1 of 3 sites connected | score 0.5000, best 0.5000 | "
        "about 36 s left"
    )
    cells = {name: [cell.strip() for cell in row] for name, row in rows.items()}
    assert cells["a"] == ["yes", "done (validate, train)", "round 0: train: working", "1", "0", "30"]
    assert cells["b"] == ["no", "works (validate)", "gone: it said nothing for 45 s", "0", "1", ""]
    assert cells["c"] == ["no", "", "", "0", "0", ""]


def test_many_sites_do_not_fill_the_screen() -> None:
    view = seen([(0, SiteJoined(f"s{number:03d}")) for number in range(100)])
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(drawn(view, 0))
    assert "s039" in (text := console.export_text()) and "s040" not in text and "60 more sites" in text


def test_the_headline_at_the_end() -> None:
    assert headline(seen(STORY + END[:-1]), 36) == (
        "federation f1 | waiting for a, b to read the end | 0 of 3 sites connected | "
        "score 0.7500, best 0.7500"
    )
    assert "all 3 rounds are over" in headline(seen(STORY + END), 37)
    assert "validating the last model" in headline(seen(STORY + END[:2]), 33)


def test_a_round_may_begin_before_the_one_before_is_on_disk() -> None:
    view = seen(
        [
            (0, Began("f", 4, 0, False, False)),
            (0, RoundBegan(0, {"a": TASKS})),
            (10, RoundBegan(1, {"a": TASKS})),
            (11, RoundEnded(RoundRow(0, "ok", 0.5, 0.5, 1, 1, 0, {}))),
        ]
    )
    assert (view.round, view.phase, view.opened_s, view.durations_s) == (1, "round", 10, (10,))
    assert view.last is not None and view.last.round == 0
    assert view.left_s(14) == 26


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=8), st.floats(0, 2000))
def test_the_time_left_never_grows_within_a_round_and_ends_at_nothing(
    rounds: list[float], spent: float
) -> None:
    view, now = after(FederationView(), Began("f", len(rounds), 0, False, False), 0.0), 0.0
    assert view.left_s(0.0) is None
    for number, took in enumerate(rounds):
        view = after(view, RoundBegan(number, {"a": ("train",)}), now)
        now += took
        if number:
            first, later = view.left_s(now - took), view.left_s(now - took + spent)
            assert first is not None and later is not None and 0 <= later <= first
        view = after(view, RoundEnded(RoundRow(number, "ok", None, None, 1, 1, 0, {})), now)
    assert view.left_s(now) == 0


@given(st.floats(0, 1e7))
def test_durations_are_short(seconds: float) -> None:
    assert 3 < len(duration_text(seconds)) < 15


def test_drawing_on_a_terminal_keeps_log_lines_above_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    before = sys.stderr
    handler = logging.StreamHandler(before)
    logging.getLogger().addHandler(handler)
    try:
        with Dashboard(terminal, lambda: 26.0) as dashboard:
            for _, told in STORY:
                dashboard(told)
            logging.getLogger("x").warning("a warning from elsewhere")
            print("a word on standard error", file=sys.stderr)
    finally:
        logging.getLogger().removeHandler(handler)

    text = terminal.getvalue()
    assert sys.stderr is before and handler.stream is before
    assert "a warning from elsewhere" in text and "a word on standard error" in text
    assert "round 0: b: dropped: claims 9 samples" in text and "1 of 3 sites connected" in text
    assert "a warning" not in capsys.readouterr().err


@pytest.fixture
def endpoint() -> Iterator[PrometheusEndpoint]:
    with PrometheusEndpoint("127.0.0.1", 0, lambda: 26.0) as served:
        yield served


def scraped(endpoint: PrometheusEndpoint) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        ",".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_numbers_over_http(endpoint: PrometheusEndpoint) -> None:
    assert scraped(endpoint)["fl_seconds_left"] != scraped(endpoint)["fl_seconds_left"], "NaN: unknown"
    for _, told in STORY:
        endpoint(told)

    found = scraped(endpoint)
    assert found["fl_round"] == 1 and found["fl_rounds"] == 3
    assert found["fl_sites_connected"] == 1
    assert (found["fl_site_connected,a"], found["fl_site_connected,b"], found["fl_site_connected,c"]) == (
        1,
        0,
        0,
    )
    assert found["fl_rounds_ended_total,ok"] == 1
    assert found["fl_deliveries_total,a"] == 1 and found["fl_drops_total,b"] == 1
    assert found["fl_site_work_seconds_sum"] == 6 and found["fl_site_work_seconds_count"] == 1
    assert found["fl_site_work_seconds_bucket,5.0"] == 0 and found["fl_site_work_seconds_bucket,15.0"] == 1
    assert found["fl_score"] == 0.5 and found["fl_best_score"] == 0.5
    assert found["fl_seconds_left"] >= 0


def test_two_endpoints_share_nothing(endpoint: PrometheusEndpoint) -> None:
    with PrometheusEndpoint("127.0.0.1", 0) as other:
        endpoint(SiteJoined("a"))
        assert scraped(endpoint)["fl_sites_connected"] == 1
        assert scraped(other)["fl_sites_connected"] == 0
        with pytest.raises(InputError, match=rf"--prometheus 127.0.0.1:{other.port}"):
            PrometheusEndpoint("127.0.0.1", other.port)
