"""Loading and sorting of the board's page, in milliseconds, against the target of 200 ms."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ranking.board import board
from benchmarks.report import Measurement
from leaderboard.board import Board
from leaderboard.board_ranking import RankedBoard
from leaderboard.ledger import site_ledger, submission_ledger
from leaderboard.pages.site import SiteOptions, site_files
from leaderboard.rank_files import RankCall, RankedFiles
from leaderboard.ranked import rank_with_uncertainty
from leaderboard.ranking.registry import Options, make_scheme
from leaderboard.significance import significance

TARGET_MS = 200.0
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_SORT = """() => {
  const heads = Array.from(document.querySelectorAll('#board th button'));
  const button = heads.find((each) => each.innerText.trim() === 'Dice');
  const begun = performance.now();
  button.click();
  document.body.getBoundingClientRect();
  return new Promise((done) => requestAnimationFrame(
    () => setTimeout(() => done(performance.now() - begun), 0)));
}"""
_LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def cases(repeats: int) -> Iterator[Measurement]:
    """Yield the medians of loading, of sorting, and of both together.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in site_files(ranked_board(), SiteOptions()).items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        loads, sorts = in_browser(Path(folder, "index.html"), repeats)
    both = [load + sort for load, sort in zip(loads, sorts, strict=True)]
    for name, values in (("load-and-sort-41", both), ("peer-load-41", loads), ("peer-sort-41", sorts)):
        yield Measurement(name, statistics.median(values), "ms", "target", TARGET_MS)


def in_browser(page: Path, repeats: int) -> tuple[list[float], list[float]]:
    """Return the times of loading a page afresh and of sorting it, in milliseconds."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("chromium: apt-get install --no-install-recommends chromium")
    loads, sorts = [], []
    with sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        for _ in range(repeats):
            context = browser.new_context()
            opened = context.new_page()
            opened.goto(page.as_uri())
            loads.append(float(opened.evaluate(_LOADED)))
            sorts.append(float(opened.evaluate(_SORT)))
            context.close()
        browser.close()
    return loads, sorts


def ranked_board() -> RankedBoard:
    """Return a ranking of the challenge's size, without the folders of its runs."""
    table = board()
    declared = Options(cells="refuse")
    scheme = make_scheme("fets2022-task2-py", declared)
    ranked = rank_with_uncertainty(scheme, table, None, np.random.default_rng, 100)
    tests = significance(table, scheme.rules.cases)
    ledgers = submission_ledger(table, None), site_ledger(table)
    found = RankedFiles(table, ranked, {}, None, tests, *ledgers, None, {}, ())
    call = RankCall((), (), (), "fets2022-task2-py", declared, 0, 100, False)
    return RankedBoard(Board((), ()), call, found)
