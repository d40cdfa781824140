"""What is written down of a round: the strategy's history, the tables' rows, the timeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fl_core.aggregator.service import RoundClosed
from fl_core.aggregator.state import Best
from fl_core.executor.base import SiteReport
from fl_core.tensors import Tensors
from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.context import RoundRecord, SiteRecord
from tasks.task1_aggregation.convergence import ConvergenceState
from tasks.task1_aggregation.outages.effects import RoundPlay, SiteStatus
from tasks.task1_aggregation.rows import NAN, RoundRow, SiteRow
from tasks.task1_aggregation.run_state import SegmentRow
from tasks.task1_aggregation.score import SiteScore
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig

INVALID = "invalid"
"""Status of a site whose update was refused (shapes, dtypes, values that are not finite)."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of one whole transfer to a site and of one back."""

    down: int
    up: int


def round_record(
    number: int,
    selected: tuple[str, ...],
    play: RoundPlay,
    reports: Mapping[str, SiteReport],
    refused: Mapping[str, str],
) -> RoundRecord:
    """Return what the strategy is told of a round: metrics only of what arrived."""
    sites = {}
    for name, site in play.sites.items():
        metrics: dict[str, float] = {}
        if site.status is SiteStatus.OK and name not in refused:
            for task in reports[name].reports:
                metrics |= task.metrics
        status = INVALID if name in refused else str(site.status)
        sites[name] = SiteRecord(status, site.selected, site.time_s, metrics)
    return RoundRecord(number, selected, sites, play.round_time_s, play.end_s)


def site_rows(
    record: RoundRecord,
    play: RoundPlay,
    work: Mapping[str, SiteWork],
    staleness: Mapping[str, int],
    sizes: Mapping[str, Traffic],
) -> tuple[SiteRow, ...]:
    """Return the rows of sites.csv.

    Args:
        record: The round as the strategy is told.
        play: The round as it went.
        work: What each site had to do.
        staleness: Of the update that counted in this round, by site.
        sizes: What crosses to each site and back in one whole transfer.
    """
    rows = []
    for name, site in play.sites.items():
        metrics = record.sites[name].metrics
        rows.append(
            SiteRow(
                round=record.round,
                site=name,
                status=record.sites[name].status,
                start_s=site.start_s,
                time_s=site.time_s,
                n_train=work[name].n_train,
                n_validate=work[name].n_validate,
                epochs=work[name].epochs if site.trained else 0.0,
                staleness=staleness.get(name, 0),
                bytes_down=round(sizes[name].down * site.bytes_down_factor),
                bytes_up=round(sizes[name].up * site.bytes_up_factor),
                loss=metrics.get("valid_loss", NAN),
                dice_wt=metrics.get("dice_wt", NAN),
                dice_tc=metrics.get("dice_tc", NAN),
                dice_et=metrics.get("dice_et", NAN),
            )
        )
    return tuple(rows)


def segment_rows(number: int, play: RoundPlay) -> tuple[SegmentRow, ...]:
    """Return the round's part of the timeline."""
    return tuple(
        SegmentRow(name, number, str(segment.kind), segment.start_s, segment.end_s)
        for name, site in play.sites.items()
        for segment in site.segments
    )


def traffic(
    model: Tensors,
    optimizer: Tensors,
    configs: Mapping[str, RoundConfig],
    reports: Mapping[str, SiteReport],
    sites: Iterable[str],
) -> dict[str, Traffic]:
    """Return the bytes of one whole transfer to and from each site.

    To a site that trains go the model, what the strategy broadcasts and the averaged optimizer; from it
    comes its update, with its optimizer where that is averaged. Other sites get the model alone.

    Args:
        model: The global model that the round started with.
        optimizer: The averaged optimizer arrays that it started with.
        configs: Of the selected sites.
        reports: By site; one without has nothing to send.
        sites: All of them.
    """
    sizes = {}
    for name in sites:
        extras = _bytes(configs[name].broadcast) + _bytes(optimizer) if name in configs else 0
        sizes[name] = Traffic(_bytes(model) + extras, _bytes(reports[name].tensors) if name in reports else 0)
    return sizes


def _bytes(tensors: Tensors) -> int:
    return sum(array.nbytes for array in tensors.values())


def round_row(
    record: RoundRecord,
    closed: RoundClosed,
    score: SiteScore | None,
    best: Best,
    convergence: ConvergenceState,
    settings: ExperimentSettings,
    sites: Sequence[SiteRow],
) -> RoundRow:
    """Return a round's row of rounds.csv."""
    dice = _dice(score)
    return RoundRow(
        round=record.round,
        status="ok" if closed.changed else "too few updates",
        simulated_time_s=record.simulated_time_s,
        round_time_s=record.round_time_s,
        round_score=score.value(settings.score_kind) if score else NAN,
        dice_wt=dice["wt"],
        dice_tc=dice["tc"],
        dice_et=dice["et"],
        best_score=NAN if best.score is None else best.score,
        convergence_score=convergence.score(settings.horizon_s),
        selected=len(record.selected),
        received=len(closed.received),
        dropped=len(set(record.selected) - set(closed.received)),
        bytes=sum(site.bytes_down + site.bytes_up for site in sites),
    )


def final_row(
    number: int,
    simulated_time_s: float,
    score: SiteScore,
    best: Best,
    convergence: ConvergenceState,
    settings: ExperimentSettings,
) -> RoundRow:
    """Return the last row of rounds.csv, which scores the last model."""
    dice = _dice(score)
    return RoundRow(
        round=number,
        status="final",
        simulated_time_s=simulated_time_s,
        round_time_s=0.0,
        round_score=score.value(settings.score_kind),
        dice_wt=dice["wt"],
        dice_tc=dice["tc"],
        dice_et=dice["et"],
        best_score=NAN if best.score is None else best.score,
        convergence_score=convergence.score(settings.horizon_s),
    )


def _dice(score: SiteScore | None) -> dict[str, float]:
    return {region: score.dice(region) if score else NAN for region in ("wt", "tc", "et")}
