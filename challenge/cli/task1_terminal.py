"""The terminal of ``challenge run task1``: a live view where there is one, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from tasks.task1_aggregation.rows import RoundRow

HEADING = " round  status           sites   score    WT     TC     ET    best  converg.  simulated   left"


@contextmanager
def open_terminal() -> Iterator[Task1Terminal]:
    """Yield the terminal; a live line at the bottom ends with the block."""
    terminal = Task1Terminal(live=sys.stdout.isatty())
    try:
        yield terminal
    finally:
        terminal.clear()


class Task1Terminal:
    """Prints a line for each round, and below it, on a terminal, what is being done."""

    def __init__(self, live: bool) -> None:
        self._live = live
        self._shown = False
        self._rounds = 0
        self._first = 0
        self._began = time.monotonic()
        self._jobs = (0, 0, 0)
        self._last_step = ""

    def say(self, text: str) -> None:
        """Print a line."""
        self.clear()
        typer.echo(text)

    def warn(self, text: str) -> None:
        """Print a line to standard error."""
        self.clear()
        typer.echo(f"note: {text}", err=True)

    def clear(self) -> None:
        """Remove the live line."""
        if self._shown:
            typer.echo("\r\x1b[K", nl=False)
            self._shown = False

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far a step is; without a live line only its beginning and its end."""
        if self._live:
            self._line(f"{what}: {done} of {total}")
        elif what != self._last_step or done == total:
            typer.echo(f"{what}: {done} of {total}")
        self._last_step = what

    def begin(self, rounds: int, horizon_s: float, sites: int, done: int) -> None:
        """Print the heading of the rounds."""
        self._rounds, self._first = rounds, done
        self._began = time.monotonic()
        hours = horizon_s / 3600
        resumed = f", resumed after {done}" if done else ""
        self.say(f"{rounds} rounds over {sites} institutions, horizon {hours:.4g} simulated hours{resumed}")
        self.say(HEADING)

    def started(self, round: int, selected: Sequence[str], jobs: int) -> None:
        """Show which round is under way."""
        self._jobs = (round, 0, jobs)
        self._show_jobs()

    def site_done(self, round: int, site: str) -> None:
        """Show how many institutions are done."""
        number, done, jobs = self._jobs
        self._jobs = (number, done + 1, jobs)
        self._show_jobs()

    def note(self, round: int, text: str) -> None:
        """Print a remark on a round."""
        self.warn(f"round {round}: {text}")

    def round_done(self, row: RoundRow) -> None:
        """Print a round's line."""
        played = row.round + 1 - self._first
        left = (time.monotonic() - self._began) / max(played, 1) * max(self._rounds - row.round - 1, 0)
        sites = f"{row.received}/{row.selected}" if row.status != "final" else ""
        self.say(
            f"{row.round:>6}  {row.status:<15} {sites:>6}  {_number(row.round_score)}  "
            f"{_number(row.dice_wt)}  {_number(row.dice_tc)}  {_number(row.dice_et)}  "
            f"{_number(row.best_score)}    {_number(row.convergence_score)}  "
            f"{_duration(row.simulated_time_s):>9}  {_duration(left) if row.status != 'final' else '':>6}"
        )

    def finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """Print the headline numbers and where everything is."""
        self.say(
            f"best model: round {summary['best_round']}, validation score {_number(summary['best_score'])}; "
            f"convergence score {_number(summary['convergence_score'])}"
        )
        if summary["test_cases"]:
            dice = ", ".join(f"{r.upper()} {_number(summary[f'test_dice_{r}'])}" for r in ("wt", "tc", "et"))
            hd95 = ", ".join(f"{r.upper()} {summary[f'test_hd95_{r}']:.1f}" for r in ("wt", "tc", "et"))
            self.say(f"{summary['test_cases']} hidden test cases: Dice {dice}; HD95 mm {hd95}")
        self.say(f"results in {folder} (figures/*.svg; `challenge verify {folder}` checks them)")

    def _show_jobs(self) -> None:
        if self._live:
            number, done, jobs = self._jobs
            self._line(f"round {number}: {done} of {jobs} institutions done")

    def _line(self, text: str) -> None:
        typer.echo(f"\r\x1b[K{text}", nl=False)
        sys.stdout.flush()
        self._shown = True


def _number(value: float | None) -> str:
    return "    -" if value is None or math.isnan(value) else f"{value:.3f}"


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{int(seconds) // 3600}h{int(seconds) % 3600 // 60:02d}m"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"
