"""Who compresses what against which base, so that both sides always hold the same arrays.

Models go down, updates come up, each with a codec of its own. A lossy upload compresses the
difference to the model that the site was given, never the weights themselves, and the aggregator
adds it to that same model: to what its own download decoded to, which decoding makes exact. Round
0's model goes down lossless whatever the codec, and what the aggregator keeps and saves was never
encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fl_core.compression.base import Codec
from fl_core.compression.finite import is_finite
from fl_core.compression.none import NoCompression
from fl_core.compression.wire import Encoded, array_of, check_shapes
from fl_core.errors import PlanError, TensorError
from fl_core.executor.base import OPTIMIZER_PREFIX
from fl_core.seeding import derived_seed
from fl_core.tensors import Array, Tensors

RESIDUAL_PREFIX = "residual/"
"""What updates have lost so far, in a site's local state."""


@dataclass(frozen=True)
class PackedUpdate:
    """An update ready to travel.

    Attributes:
        encoded: What travels.
        residual: What the site keeps for its next update, by tensor; empty without error feedback.
    """

    encoded: Encoded
    residual: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """How models and updates travel in one run.

    Pure and equal on both sides: each makes its own from the plan.

    Args:
        seed: The run's; every encoding draws from (seed, purpose, site, round).
        upload: For updates.
        download: For models, from round 1 on.
        delta_updates: Whether sites report ``trained - received`` instead of whole models. It
            changes what is handed in and out here, not what a lossy upload sends.

    Raises:
        PlanError: The download codec would set most of a model to zero.

    Example:
        >>> from fl_core.compression.fp16 import Float16
        >>> exchange = Exchange(seed=0, upload=Float16(dim_threshold=1))
        >>> model, trained = {"w": np.float32([100.0])}, {"w": np.float32([100.0001])}
        >>> sent = exchange.pack_update(trained, model, site="1", round=0).encoded
        >>> exchange.unpack_update(sent, model=model, base=model)["w"] == trained["w"]
        array([ True])
    """

    seed: int
    upload: Codec = field(default_factory=NoCompression)
    download: Codec = field(default_factory=NoCompression)
    delta_updates: bool = False

    def __post_init__(self) -> None:
        if self.download.sparse:
            raise PlanError(
                f"compression_pipeline.download: {self.download.name} keeps few elements and would "
                "ruin the model; use fp16, bf16, k_means or eden, or compress the upload only"
            )

    def pack_model(self, model: Tensors, *, round: int) -> Encoded:
        """Return the global model of a round as it travels; one encoding for all sites.

        Raises:
            TensorError: A lossy codec met a value that is not finite.
        """
        codec = NoCompression() if round == 0 else self.download
        return codec.encode(model, seed=derived_seed(self.seed, "compression of the model", round))

    def unpack_model(self, encoded: Encoded, *, template: Tensors | None = None) -> dict[str, Array]:
        """Return the model that every site trains from: the base of its update.

        The aggregator calls it on its own encoding and has the same arrays, bit for bit.

        Args:
            encoded: What travelled.
            template: A model to compare shapes with before memory is spent, where there is one.

        Raises:
            TensorError: It is corrupt, or not the template's.
        """
        if template is not None:
            check_shapes(encoded, template, what="the model")
        return self._codec(encoded, self.download).decode(encoded)

    def pack_update(
        self, update: Tensors, base: Tensors, *, site: str, round: int, residual: Tensors | None = None
    ) -> PackedUpdate:
        """Return a site's update as it travels.

        An update that is not like the base, or whose difference to it is not finite, travels as it
        is: it is the aggregator that refuses it, by name, as it would without compression.

        Args:
            update: What the collaborator reported (whole or a delta), with optimizer arrays.
            base: The model that it trained from, as unpacked.
            site: The site's name.
            round: The round.
            residual: What `pack_update` gave back for the last update that counted.

        Raises:
            TensorError: The residual is not like the update, or a dtype cannot be stored.
        """
        kept = dict(residual or {})
        if not update:
            return PackedUpdate(NoCompression().encode({}, seed=0), kept)
        changes = self._changes(update, base, kept)
        if changes is None:
            return PackedUpdate(NoCompression().encode(update, seed=0), kept)
        seed = derived_seed(self.seed, "compression of an update", site, round)
        encoded = self.upload.encode({**update, **changes}, seed=seed)
        if not self.upload.error_feedback:
            return PackedUpdate(encoded)
        arrived = self.upload.decode(encoded)
        lost = {name: _difference(change, arrived[name]) for name, change in changes.items()}
        return PackedUpdate(encoded, lost)

    def unpack_update(self, encoded: Encoded, *, model: Tensors, base: Tensors) -> dict[str, Array]:
        """Return the update in the form in which the site's collaborator reported it.

        Whole models are ``base + decoded``. Deltas are against `model`: where the site trained from
        another base than that (a lossy download), they are moved over, ``base + decoded - model``.

        Args:
            encoded: What travelled.
            model: The global model as the aggregator keeps it.
            base: The same as the site received it.

        Raises:
            TensorError: It is corrupt, or a compressed tensor is not the model's.
        """
        check_shapes(encoded, base, what="the update")
        codec = self._codec(encoded, self.upload)
        decoded = codec.decode(encoded)
        with np.errstate(over="ignore", invalid="ignore"):  # the aggregator refuses what is not finite
            return {
                name: self._reported(name, value, model, base, codec.compresses(name, value))
                for name, value in decoded.items()
            }

    def _changes(
        self, update: Tensors, base: Tensors, residual: Mapping[str, Array]
    ) -> dict[str, Array] | None:
        """Return what the upload codec is to compress, or None where it cannot."""
        changes: dict[str, Array] = {}
        for name in sorted(update):
            if name.startswith(OPTIMIZER_PREFIX):
                continue
            array = array_of(update[name])
            if name not in base or array.shape != base[name].shape or array.dtype != base[name].dtype:
                return None
            if not self.upload.compresses(name, array):
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                change = array if self.delta_updates else _difference(array, base[name])
                if self.upload.error_feedback and name in residual:
                    change = _with_residual(name, change, residual[name])
            if not is_finite(change):
                return None
            changes[name] = change
        return changes

    def _reported(self, name: str, value: Array, model: Tensors, base: Tensors, change: bool) -> Array:
        if not self.delta_updates:
            return _sum(base[name], value) if change else value
        # Names and shapes that the update made up are left for the aggregator to refuse.
        if name not in model or name not in base:
            return value
        kept, received = model[name], base[name]
        if not self.download.compresses(name, kept) or value.shape != kept.shape:
            return value
        if np.array_equal(kept, received):
            return value
        return _difference(_sum(received, value), kept)

    def _codec(self, encoded: Encoded, agreed: Codec) -> Codec:
        """Return who decodes: the plan's codec, or none where the sender had to send as it is."""
        return NoCompression() if encoded.codec == NoCompression.name else agreed


def _with_residual(name: str, change: Array, residual: Array) -> Array:
    if residual.shape != change.shape or residual.dtype != change.dtype:
        raise TensorError(
            f"the residual of tensor {name!r} is {residual.dtype}{list(residual.shape)}; the update is "
            f"{change.dtype}{list(change.shape)}: it belongs to another model, start without it"
        )
    return _sum(change, residual)


def _sum(array: Array, change: Array) -> Array:
    return np.asarray(np.add(array, change, dtype=change.dtype))


def _difference(array: Array, other: Array) -> Array:
    return np.asarray(np.subtract(array, other, dtype=array.dtype))
