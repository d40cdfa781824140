"""A round while its sites work: what arrives is checked by the rules, then noted durably."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fl_core.aggregator.journal import Journal
from fl_core.aggregator.service import Aggregator
from fl_core.errors import TensorError
from fl_core.executor.base import SiteReport, TaskReport
from fl_core.federation.admission import Admission
from fl_core.federation.round_row import SiteRow, site_metrics
from fl_core.federation.served import Served
from fl_core.federation.state_folder import StateFolder
from fl_core.tensors import Tensors
from fl_core.transport.fingerprint import fingerprint
from fl_core.transport.messages import BlobRef, Delivery, Work


class OpenRound:
    """One round from its opening until nobody owes anything.

    Args:
        aggregator: Holds the rules; its round is opened here.
        journal: The round's.
        folder: Holds the updates.
        admission: Reads them.
        served: The round's model.
        works: What each site with tasks has to do.
        tasks: By site, those without tasks included.

    Attributes:
        reports: Of the sites whose results count.
        answers: Of these the work's key and the delivery's fingerprint.
        joined: Sites that came for the first time in this round, to an earlier process.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        journal: Journal,
        folder: StateFolder,
        admission: Admission,
        served: Served,
        works: Mapping[str, Work],
        tasks: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.served = served
        self.works = works
        self.tasks = tasks
        self.reports: dict[str, tuple[TaskReport, ...]] = {}
        self.joined: set[str] = set()
        self.answers: dict[str, tuple[str, str]] = {}
        self._wall_s: dict[str, float] = {}
        self._aggregator = aggregator
        self._journal = journal
        self._folder = folder
        self._admission = admission
        aggregator.open_round(tasks)

    @property
    def round(self) -> int:
        """Its number."""
        return self.served.round

    @property
    def owing(self) -> tuple[str, ...]:
        """Sites that owe results, in name order."""
        return self._aggregator.state.pending()

    @property
    def dropped(self) -> Mapping[str, str]:
        """Reason by site that takes no further part."""
        return self._aggregator.state.dropped

    @property
    def done(self) -> frozenset[str]:
        """Sites that owe nothing and were not dropped; those without tasks are among them."""
        return frozenset(self.tasks) - set(self.owing) - set(self.dropped)

    def take(self, site: str, delivery: Delivery) -> str:
        """Take an admitted delivery; return why it does not count, empty where it does.

        A site whose results do not count is dropped.
        """
        answer = fingerprint(delivery)
        reason = self._deliver(site, delivery, answer)
        if reason:
            self.drop(site, reason)
            return reason
        self._journal.add(_arrived(site, delivery, answer))
        return ""

    def drop(self, site: str, reason: str) -> None:
        """Go on without a site."""
        self._aggregator.drop(site, reason)
        self._journal.add({"event": "dropped", "site": site, "reason": reason})

    def note_joined(self, site: str) -> None:
        """Note that a site came for the first time, so that a restart knows whom to tell of the end."""
        self._journal.add({"event": "joined", "site": site})

    def replay(self, record: Mapping[str, Any]) -> None:
        """Take a record of an earlier process; results whose file did not outlive it are owed again."""
        site = record["site"]
        if record["event"] == "joined":
            self.joined.add(site)
        if record["event"] == "dropped":
            self._aggregator.drop(site, record["reason"])
        if record["event"] != "arrived" or site not in self.works:
            return
        delivery = _delivery(record)
        if delivery.key != self.works[site].key:
            return
        if delivery.update and self._folder.intact(self.round, site, delivery.update) is None:
            return
        self._deliver(site, delivery, record["fingerprint"])

    def row(self, site: str) -> SiteRow:
        """Return what a site did in this round."""
        tasks = self.tasks[site]
        if site in self.dropped:
            return SiteRow(self.round, site, "dropped", self.dropped[site], tasks)
        if site not in self.reports:
            return SiteRow(self.round, site, "no tasks" if not tasks else "owing", "", tasks)
        reports = self.reports[site]
        samples = {report.task: report.samples for report in reports}
        return SiteRow(self.round, site, "ok", "", tasks, samples, site_metrics(reports), self._wall_s[site])

    def _deliver(self, site: str, delivery: Delivery, answer: str) -> str:
        try:
            update = self._update(site, delivery)
        except TensorError as error:
            return f"invalid update: {error}"
        report = SiteReport(site, self.round, delivery.reports, update, {}, delivery.wall_s)
        digest = delivery.update.checksum if delivery.update else None
        reason = self._aggregator.deliver(report, digest=digest, checked=True)  # by the admission
        if not reason:
            self.reports[site] = delivery.reports
            self.answers[site] = delivery.key, answer
            self._wall_s[site] = delivery.wall_s
        return reason

    def _update(self, site: str, delivery: Delivery) -> Tensors:
        if delivery.update is None:
            return {}
        path = self._folder.arrived(self.round, site, delivery.update)
        return self._admission.update(self.served, path)


def _arrived(site: str, delivery: Delivery, answer: str) -> dict[str, Any]:
    """Return the record of a delivery: its numbers and its update's checksum, no arrays and no rows."""
    update = delivery.update
    return {
        "event": "arrived",
        "site": site,
        "key": delivery.key,
        "fingerprint": answer,
        "round": delivery.round,
        "wall_s": delivery.wall_s,
        "update": {"checksum": update.checksum, "size": update.size} if update else None,
        "reports": [
            {"task": r.task, "metrics": dict(r.metrics), "samples": r.samples, "trains": r.trains}
            for r in delivery.reports
        ],
    }


def _delivery(record: Mapping[str, Any]) -> Delivery:
    reports = tuple(TaskReport(r["task"], r["metrics"], r["samples"], r["trains"]) for r in record["reports"])
    update = BlobRef(**record["update"]) if record["update"] else None
    return Delivery(record["key"], record["round"], reports, update, wall_s=record["wall_s"])
