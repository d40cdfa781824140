"""A federation in numbers, for Prometheus to fetch over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from fl_core.errors import InputError
from fl_core.federation.dashboard.view import FederationView, after
from fl_core.federation.progress import Progress, RoundEnded, SiteDelivered, SiteDropped

_WORK_S = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class PrometheusEndpoint:
    """Serves ``/metrics`` while it is open. The numbers are a registry's own, not the process's.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        clock: Seconds, rising.

    Raises:
        InputError: It cannot listen there.
    """

    def __init__(self, host: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._view = FederationView()
        registry = CollectorRegistry()
        self._round = Gauge("fl_round", "The round that is on, from 0", registry=registry)
        self._rounds = Gauge("fl_rounds", "Rounds of the federation that train", registry=registry)
        self._ended = Counter("fl_rounds_ended", "Rounds that ended", ["status"], registry=registry)
        self._connected = Gauge("fl_sites_connected", "Sites that are connected", registry=registry)
        self._site = Gauge("fl_site_connected", "Whether a site is connected", ["site"], registry=registry)
        self._delivered = Counter("fl_deliveries", "Results that were taken", ["site"], registry=registry)
        self._dropped = Counter("fl_drops", "Rounds a site was dropped from", ["site"], registry=registry)
        self._work = Histogram(
            "fl_site_work_seconds", "Wall-clock time of a site's work", registry=registry, buckets=_WORK_S
        )
        self._score = Gauge("fl_score", "Score of the last model that was scored", registry=registry)
        self._best = Gauge("fl_best_score", "Best score so far", registry=registry)
        self._left = Gauge("fl_seconds_left", "Estimate of the time left; NaN unknown", registry=registry)
        self._left.set_function(self._seconds_left)
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise InputError(
                f"--prometheus {host}:{port}: cannot be listened on ({error.strerror or error}); "
                "take another port"
            ) from error
        self.port = int(self._server.server_port)

    def __call__(self, progress: Progress) -> None:
        """Take note."""
        self._view = after(self._view, progress, self._clock())
        self._round.set(self._view.round)
        self._rounds.set(self._view.rounds)
        self._connected.set(self._view.connected)
        for name, seen in self._view.sites.items():
            self._site.labels(name).set(seen.connected)
        match progress:
            case SiteDelivered(row):
                self._delivered.labels(row.site).inc()
                if row.wall_s is not None:
                    self._work.observe(row.wall_s)
            case SiteDropped(site):
                self._dropped.labels(site).inc()
            case RoundEnded(row):
                self._ended.labels(row.status).inc()
                if row.score is not None:
                    self._score.set(row.score)
                if row.best_score is not None:
                    self._best.set(row.best_score)
            case _:
                pass

    def _seconds_left(self) -> float:
        left_s = self._view.left_s(self._clock())
        return float("nan") if left_s is None else left_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
