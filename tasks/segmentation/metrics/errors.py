"""Errors of the metrics: what about a segmentation cannot be scored, and how to mend it."""

from __future__ import annotations

from fl_core.errors import InputError


class MetricError(InputError):
    """A segmentation that cannot be scored."""


class LabelError(MetricError):
    """A label outside {0, 1, 2, 4}; in cases.csv its status is ``labels``."""


class GeometryError(MetricError):
    """Shapes or spacings that do not fit; in cases.csv its status is ``geometry``."""
