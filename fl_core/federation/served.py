"""The model of a round as the sites receive it, and their updates as the aggregator reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fl_core.compression.exchange import Exchange
from fl_core.compression.none import NoCompression
from fl_core.federation.travelling import encoded_form, file_form
from fl_core.tensors import Tensors
from fl_core.tensors.header import Limits
from fl_core.tensors.spooled import SpooledTensors, write_stream
from fl_core.transport.messages import BlobRef


@dataclass(frozen=True)
class Served:
    """What a round's sites download.

    Attributes:
        round: The round.
        blob: The file's name.
        path: The file.
        model: The global model as the aggregator keeps it, lazy.
        base: The model that the sites train from, lazy: the same unless the download codec loses some.
    """

    round: int
    blob: BlobRef
    path: Path
    model: Tensors
    base: Tensors


def serve(exchange: Exchange, round: int, stored: BlobRef, path: Path, folder: Path) -> Served:
    """Make the file that sites download; without a download codec it is the model's own.

    Args:
        exchange: How models travel.
        round: The round.
        stored: The model's file by content.
        path: The model's file.
        folder: Where an encoded one goes. It can be made again, so it is not synced.

    Raises:
        TensorError: The model is not finite and the codec lossy.
        OSError: The disk refused.
    """
    model = SpooledTensors(path)
    if round == 0 or exchange.download.name == NoCompression.name:
        return Served(round, stored, path, model, model)
    folder.mkdir(parents=True, exist_ok=True)
    encoded = exchange.pack_model(model, round=round)
    tensors, metadata = file_form(encoded)
    sent, base = folder / "model.safetensors", folder / "base.safetensors"
    written = write_stream(sent, tensors, metadata)
    write_stream(base, exchange.unpack_model(encoded))
    return Served(round, BlobRef(written.checksum, written.size), sent, model, SpooledTensors(base))


def opened_update(exchange: Exchange, served: Served, path: Path, limits: Limits, decoded: Path) -> Tensors:
    """Return an update in the form in which the site's collaborator reported it, lazy.

    Args:
        exchange: How updates travel.
        served: The model that the site was given.
        path: The update's file.
        limits: How much it may ask for.
        decoded: Where a compressed one is decoded to, once.

    Raises:
        TensorError: It is corrupt, or not like the model.
        OSError: The disk refused.
    """
    sent = SpooledTensors(path, limits=limits)
    compressed = sent.metadata is not None and "codec" in sent.metadata
    if not compressed and served.base is served.model:
        return sent  # nothing was lost on either way
    if not decoded.is_file():
        encoded = encoded_form(dict(sent), sent.metadata)
        update = exchange.unpack_update(encoded, model=served.model, base=served.base)
        partial = decoded.with_suffix(".part")
        write_stream(partial, update)
        partial.replace(decoded)
    return SpooledTensors(decoded)
