"""Which metric rows a round leaves: the names and tags of both editions of the challenge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tasks.task1_aggregation.context import SiteInfo, SiteRecord
from tasks.task1_aggregation.fets.ledger import Row

LABELS = ("0", "1", "2", "4")
REGIONS = ("et", "tc", "wt")

VALIDATION_NAMES: dict[str, str] = {
    "valid_loss": "valid_loss",
    "valid_dice": "valid_dice",
    **{f"valid_dice_per_label_{label}": f"valid_dice_per_label_{label}" for label in LABELS},
    **{f"valid_hd95_per_label_{label}": f"valid_hd95_per_label_{label}" for label in LABELS},
    **{f"dice_{region}": f"performance_evaluation_metric_binary_DICE_{region.upper()}" for region in REGIONS},
    **{
        f"hd95_{region}": f"performance_evaluation_metric_binary_Hausdorff95_{region.upper()}"
        for region in REGIONS
    },
}
"""Our name of a validation metric to the challenge's, 2022's and then 2021's."""

TRAINING_NAMES = ("loss", "train_dice")

_VALIDATIONS = (("", "validate_agg"), ("local_", "validate_local"))


def metric_rows(round_: int, records: Mapping[str, SiteRecord], sites: Sequence[SiteInfo]) -> Iterator[Row]:
    """Yield a round's metric rows: one per site, then their mean weighted by numbers of cases.

    A metric of site ``c`` has the sorted tags of ``metric``, ``validate_agg`` (the global model) or
    ``validate_local`` (the site's own), and ``c``; a training metric those of ``metric`` and ``c``.
    The mean has the same tags without ``c``; it weighs validation by validation cases, training by
    training cases, over the sites whose metric arrived.
    """
    for prefix, tag in _VALIDATIONS:
        for ours, theirs in VALIDATION_NAMES.items():
            sizes = {site.name: site.n_validate for site in sites}
            yield from _rows(round_, records, prefix + ours, theirs, ("metric", tag), sizes)
    for name in TRAINING_NAMES:
        sizes = {site.name: site.n_train for site in sites}
        yield from _rows(round_, records, name, name, ("metric",), sizes)


def _rows(
    round_: int,
    records: Mapping[str, SiteRecord],
    ours: str,
    theirs: str,
    tags: tuple[str, ...],
    sizes: Mapping[str, int],
) -> Iterator[Row]:
    values = {
        name: record.metrics[ours] for name, record in sorted(records.items()) if ours in record.metrics
    }
    for name, value in values.items():
        yield Row(theirs, "aggregator", round_, True, tuple(sorted((*tags, name))), np.array(value))
    total = sum(sizes[name] for name in values)
    if total > 0:
        mean = sum(value * sizes[name] for name, value in values.items()) / total
        yield Row(theirs, "aggregator", round_, True, tags, np.array(mean))
