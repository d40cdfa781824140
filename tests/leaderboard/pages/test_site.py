"""The pages as files: what stands in them, what must not, and that the same board gives the same bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import pytest
from board_site import HOSTILE, made_up_ranking

from leaderboard.board_ranking import RankedBoard
from leaderboard.errors import TableError
from leaderboard.pages.names import slugs
from leaderboard.pages.site import SiteOptions, site_files

PIXEL = bytes.fromhex("89504e470d0a1a0a") + b"rest of a picture"


class Outline(HTMLParser):
    """Links, ids, heads and cells of a page."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)
            assert not name.startswith("on"), (tag, name)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory) -> RankedBoard:
    return made_up_ranking(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def files(ranking: RankedBoard) -> dict[str, bytes]:
    return site_files(ranking, SiteOptions("Test board"))


def pages(files: dict[str, bytes]) -> dict[str, Outline]:
    return {name: Outline(content) for name, content in files.items() if name.endswith(".html")}


def test_every_link_leads_to_a_file_of_the_site_and_no_id_stands_twice(files: dict[str, bytes]) -> None:
    for name, page in pages(files).items():
        assert len(set(page.ids)) == len(page.ids), name
        for link in page.links:
            if link == "data:,":
                continue
            path, _, anchor = link.partition("#")
            if not path:
                assert anchor in page.ids
                continue
            target = PurePosixPath(name).parent / path
            parts: list[str] = []
            for part in target.parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in files, (name, link)


def test_every_submission_has_a_page_and_stands_in_the_order_of_its_rank(
    ranking: RankedBoard, files: dict[str, bytes]
) -> None:
    names = ranking.ranked.table.submissions
    assert {f"submissions/{slug}.html" for slug in slugs(names).values()} <= set(files)
    rows = list(csv.DictReader(io.StringIO(files["tables/ranking.csv"].decode())))
    shown = re.findall(r'data-name="([^"]*)"', files["index.html"].decode())
    assert [unescape(name) for name in shown] == [row["submission"] for row in rows]
    assert {row["submission"] for row in rows} == set(names)


def test_names_from_files_are_text_and_nothing_is_loaded(files: dict[str, bytes]) -> None:
    assert HOSTILE in pages(files)["index.html"].text
    for name, page in pages(files).items():
        assert "img" not in page.tags and "iframe" not in page.tags, name
        assert page.tags.count("script") == 1
        policy = re.search(rb'Content-Security-Policy" content="([^"]*)"', files[name])
        assert policy is not None
        assert policy[1].startswith(b"default-src &#39;none&#39;") and b"unsafe" not in policy[1]
        assert b"http:" not in files[name].replace(b'xmlns="http:', b"") and b"https:" not in files[name]


def test_a_changed_run_is_named_as_not_ranked_without_the_folders_of_the_machine(
    ranking: RankedBoard, files: dict[str, bytes]
) -> None:
    text = pages(files)["index.html"].text
    assert "Not ranked" in text and "cases.csv: changed" in text
    for name, content in files.items():
        assert str(ranking.board.entries[0].folder.parent).encode() not in content, name


def test_a_missing_cell_is_crossed_out(files: dict[str, bytes]) -> None:
    page = files["sites.html"].decode()
    assert page.count('<td class="crossed">') == 1
    assert "not evaluated" in page


def test_the_scheme_and_its_rules_are_said_in_words(files: dict[str, bytes]) -> None:
    text = pages(files)["ranking.html"].text
    for words in (
        "the means of these ranks are ranked",
        "equal values share the best of their places",
        "A missing value comes after every value.",
        "is ranked last there.",
        "60 times (seed 0)",
    ):
        assert words in text


def test_single_cases_are_shown_only_when_the_organizer_says_so(
    ranking: RankedBoard, files: dict[str, bytes]
) -> None:
    asked: list[tuple[str, str, str]] = []

    def picture(submission: str, site: str, case: str) -> bytes | None:
        asked.append((submission, site, case))
        return PIXEL if site == "site 2" else None

    open_ = site_files(ranking, SiteOptions("Test board", show_cases=True), picture)

    for name, content in files.items():
        assert b"case-0-" not in content, name
    assert "tables/ranking-challenger-higher.csv" in open_ and b"case-" in open_["submissions/krum.html"]
    assert {name for name, _, _ in asked} == set(ranking.ranked.table.submissions)
    shown = sum(content.count(b'<img src="data:image/png;base64,') for content in open_.values())
    assert shown == sum(site == "site 2" for _, site, _ in asked) > 0
    with pytest.raises(TableError, match="is no PNG"):
        site_files(ranking, SiteOptions("x", show_cases=True), lambda *_: b"<svg/>")


def test_downloads_name_the_digest_of_every_table_and_link_every_record(
    ranking: RankedBoard, files: dict[str, bytes]
) -> None:
    page = files["downloads.html"].decode()
    for name, content in files.items():
        if name.startswith("tables/"):
            assert hashlib.sha256(content).hexdigest() in page, name
    for entry in ranking.board.entries:
        record = (entry.folder / "record.json").read_bytes()
        assert record in files.values() and hashlib.sha256(record).hexdigest() in page


def test_the_same_runs_elsewhere_give_the_same_bytes(files: dict[str, bytes], tmp_path: Path) -> None:
    again = site_files(made_up_ranking(tmp_path), SiteOptions("Test board"))

    assert list(again) == list(files)
    assert [name for name in files if files[name] != again[name]] == []


def test_file_names_are_safe_and_different_on_every_file_system() -> None:
    names = ["A", "a", "../../etc/passwd", "", "index", "ä", "ö", "x" * 300, "con/..\\.."]
    found = list(slugs(names).values())
    assert len({name.lower() for name in found}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,80}", name) for name in found), found
