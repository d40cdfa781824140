"""What makes a round count: its rows, its standing, and the files that users look for."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from fl_core.federation.closing import Closing
from fl_core.federation.metrics_table import (
    ROUND_COLUMNS,
    SITE_COLUMNS,
    MetricsTable,
    round_cells,
    site_cells,
)
from fl_core.federation.outputs import Outputs, write_models
from fl_core.federation.standing import Standing
from fl_core.federation.state_folder import StateFolder
from fl_core.federation.terms import Terms


class Committer:
    """Commits rounds in order, in a thread of its own: the next round need not wait for the disk.

    Args:
        terms: What was agreed on.
        folder: Of the federation.
        outputs: What users look for.
        standing: Where the federation stands.
        resumed: Whether an earlier process led it, so that the outputs may lag behind.
    """

    def __init__(
        self, terms: Terms, folder: StateFolder, outputs: Outputs, standing: Standing, resumed: bool
    ) -> None:
        self._terms = terms
        self._folder = folder
        self._outputs = outputs
        round = standing.aggregator.round
        self._rounds = self._sites = None
        if outputs.logs is not None:
            disk = folder.disk
            self._rounds = MetricsTable(outputs.logs / "rounds.csv", ROUND_COLUMNS, round, disk)
            self._sites = MetricsTable(outputs.logs / "sites.csv", SITE_COLUMNS, round, disk)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._waiting: tuple[Closing, Future[None]] | None = None
        if resumed and round > 0:
            write_models(outputs, standing, folder)
            folder.tidy(standing, terms.db_store_rounds)

    def submit(self, closing: Closing) -> None:
        """Begin to make a closed round durable; the one before has to be done.

        A process that dies before the end repeats the round, and comes to the same bytes: sites keep
        their results until they are released, which they are only after `done`.
        """
        self._waiting = closing, self._thread.submit(self._commit, closing)

    def done(self, *, wait: bool) -> Closing | None:
        """Return the round that has been committed since the last call, if any.

        Args:
            wait: Whether to wait for the one that was submitted.

        Raises:
            OSError: The disk refused; the round is not committed.
        """
        if self._waiting is None:
            return None
        closing, future = self._waiting
        if not wait and not future.done():
            return None
        self._waiting = None
        future.result()
        return closing

    def close(self) -> None:
        """Wait for what was submitted and end the thread; safe to call twice."""
        self._thread.shutdown(wait=True)

    def _commit(self, closing: Closing) -> None:
        for stored in closing.written:
            self._folder.sync(stored)
        if self._rounds is not None and self._sites is not None:
            self._rounds.add([round_cells(closing.row)])
            self._sites.add([site_cells(row) for row in closing.sites])
        self._folder.commit(closing.standing)
        write_models(self._outputs, closing.standing, self._folder)
        self._folder.tidy(closing.standing, self._terms.db_store_rounds)
