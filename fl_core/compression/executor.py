"""An executor whose models and updates travel as they would over a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from fl_core.compression.exchange import RESIDUAL_PREFIX, Exchange
from fl_core.executor.base import Executor, SiteJob, SiteReport
from fl_core.tensors import Array, Tensors


@dataclass(frozen=True)
class Transfer:
    """What a job's arrays took on their way.

    Attributes:
        site: The collaborator's name.
        round: The round of the job.
        bytes_down: Of the model as sent; extras not counted.
        bytes_up: Of the update as sent.
    """

    site: str
    round: int
    bytes_down: int
    bytes_up: int


class CompressedExecutor:
    """Encodes and decodes around another executor: a simulation has the bytes of the wire.

    Sites get the model that the download codec leaves them, reports hold the update that the
    aggregator would have unpacked, in name and form as the inner executor's. What error feedback
    keeps stands in the site's local state under `RESIDUAL_PREFIX`; the inner executor does not see
    it. Extras and optimizer arrays travel lossless. Without compression nothing changes.

    Args:
        inner: Does the work.
        exchange: Who compresses what; its `delta_updates` is that of the inner's collaborators.
        on_transfer: Told of each job whose report came, e.g. for a simulated clock.
    """

    def __init__(
        self, inner: Executor, exchange: Exchange, on_transfer: Callable[[Transfer], None] | None = None
    ) -> None:
        self._inner = inner
        self._exchange = exchange
        self._on_transfer = on_transfer

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run every job on the given global model; see `Executor.run`.

        Raises:
            TensorError: The model is not finite and the download codec lossy; or a residual in a
                job's local state belongs to another model.
        """
        # A model's encoding depends on the round; usually there is one.
        for round in dict.fromkeys(job.round for job in jobs):
            yield from self._run_round(model, [job for job in jobs if job.round == round], round)

    def close(self) -> None:
        """Close the inner executor."""
        self._inner.close()

    def _run_round(self, model: Tensors, jobs: Sequence[SiteJob], round: int) -> Iterator[SiteReport]:
        sent = self._exchange.pack_model(model, round=round)
        base = self._exchange.unpack_model(sent)
        split = {job.site: _split_residual(job.local_state) for job in jobs}
        bare = [replace(job, local_state=split[job.site][0]) for job in jobs]
        for report in self._inner.run(base, bare):
            packed = self._exchange.pack_update(
                report.tensors, base, site=report.site, round=round, residual=split[report.site][1]
            )
            residual = {RESIDUAL_PREFIX + name: array for name, array in packed.residual.items()}
            if self._on_transfer is not None:
                self._on_transfer(Transfer(report.site, round, sent.nbytes, packed.encoded.nbytes))
            yield replace(
                report,
                tensors=self._exchange.unpack_update(packed.encoded, model=model, base=base),
                local_state={**report.local_state, **residual},
            )


def _split_residual(local_state: Tensors) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return a site's own state, and the residual by the model's names."""
    own = {name: array for name, array in local_state.items() if not name.startswith(RESIDUAL_PREFIX)}
    residual = {
        name.removeprefix(RESIDUAL_PREFIX): array
        for name, array in local_state.items()
        if name.startswith(RESIDUAL_PREFIX)
    }
    return own, residual
