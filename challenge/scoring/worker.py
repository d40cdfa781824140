"""A scoring worker: one case after another, until its parent has no more.

Run by the pool as ``python -P -m challenge.scoring.worker``. A file that brings a library down takes only
this process with it.
"""

from __future__ import annotations

from collections.abc import Callable

from challenge.scoring.case_score import CaseScore, Grid, ScoreSettings, score_pair
from challenge.scoring.pairing import Pair
from challenge.scoring.protocol import Failed, Job, Opened, Prepare, Ready, Scored, pair_of
from fl_core.ipc.child import serve_parent
from fl_core.ipc.frames import Channel, ChannelClosed

Score = Callable[[Pair, ScoreSettings, Callable[[Grid], None]], CaseScore]


def serve(channel: Channel, score: Score) -> None:
    """Score cases until the channel closes.

    Raises:
        ChannelClosed: The pool is gone, or has no more work for us.
    """
    message: Prepare
    message, _ = channel.receive(Prepare)
    _import_readers()
    channel.send(Ready())
    while True:
        job: Job
        job, _ = channel.receive(Job)
        answer: Scored | Failed
        try:
            told = score(pair_of(job), message.settings, lambda grid: channel.send(Opened(grid)))
            answer = Scored(told)
        except ChannelClosed:
            raise
        except Exception as error:  # noqa: BLE001 - a process border: the case gets a status
            answer = Failed(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        channel.send(answer)


def _import_readers() -> None:
    """Import before the first case what its time limit is not meant for."""
    import scipy.spatial  # noqa: F401
    import SimpleITK
    import zlib_ng.zlib_ng  # noqa: F401

    # What ITK remarks on headers belongs to no one's log.
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def main(score: Score = score_pair) -> None:
    """Serve the process that spawned this one until it is done with us."""
    serve_parent(lambda channel: serve(channel, score))


if __name__ == "__main__":
    main()
