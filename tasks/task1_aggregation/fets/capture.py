"""Catches a script's call of ``run_challenge_experiment`` instead of running anything."""

from __future__ import annotations

from typing import Any, NoReturn

from tasks.task1_aggregation.fets.settings import CapturedExperiment, read_call


class ExperimentCaptured(BaseException):
    """Ends the loading of a script at its call of ``run_challenge_experiment``.

    No `Exception`, so that a script's own ``except Exception`` does not stop it.
    """


class Capture:
    """Keeps the first call; a script that catches even `ExperimentCaptured` changes nothing.

    Example:
        >>> capture = Capture()
        >>> try:
        ...     capture.run_challenge_experiment(rounds_to_train=7)
        ... except ExperimentCaptured:
        ...     print(capture.experiment.settings["rounds_to_train"])
        7
    """

    def __init__(self) -> None:
        self.experiment: CapturedExperiment | None = None
        self._loading = True

    def run_challenge_experiment(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Take the arguments and end the loading.

        Raises:
            ExperimentCaptured: While the submission is being loaded.
            RuntimeError: Later, from within one of the participant's functions.
            StrategyError: The arguments cannot be.
        """
        if not self._loading:
            raise RuntimeError("run_challenge_experiment was called while the experiment runs")
        if self.experiment is None:
            self.experiment = read_call(args, kwargs)
        raise ExperimentCaptured

    def close(self) -> None:
        """Note that the loading is over."""
        self._loading = False
