"""A run of Task 1 from beginning to end, and from any instant to the end after a crash."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from challenge.config import ConfigError, Task1Config, parse_config, read_config
from challenge.records.keys import configuration_home, load_or_create_key
from challenge.records.record import write_record
from challenge.submissions.digest import submission_digest
from challenge.task1.board import Board, send_leftovers
from challenge.task1.engine import Engine
from challenge.task1.executors import Room
from challenge.task1.facts import run_facts
from challenge.task1.inputs import Inputs
from challenge.task1.outputs import draw, summary, write_results, write_tables
from challenge.task1.preparation import Preparation, prepare
from challenge.task1.run_folder import EventLog, RunFolder
from challenge.task1.strategy_host import OpenedStrategy, open_strategy, submission_name
from challenge.task1.surroundings import Surroundings
from challenge.task1.world import resolved, steps
from fl_core.errors import FederationError, WorkerError
from leaderboard.names import without_password
from tasks.task1_aggregation.calls import Calls
from tasks.task1_aggregation.checkpoint import Checkpoint, CheckpointError
from tasks.task1_aggregation.experiment import Experiment
from tasks.task1_aggregation.hidden_test import meet_hidden_cases
from tasks.task1_aggregation.recording import UpdateKeeper, replay
from tasks.task1_aggregation.run_state import RunState, first_state

MIB = 2**20


def start(config: Task1Config, out: Path, around: Surroundings) -> dict[str, Any]:
    """Run a configuration in a new folder; return the headline numbers.

    Raises:
        InputError, DataError: The call or an input is wrong; nothing was started.
        StrategyError: The submission broke a rule; the folder can be looked at.
    """
    folder = RunFolder(out)
    if config.submission is not None:
        submission_digest(config.submission)
    folder.claim()
    with folder.locked():
        folder.claim()  # again, now that nobody else can: another process may have been faster
        with folder.given_back():
            strategy = open_strategy(config, folder.strategy_log)
            try:
                config = resolved(config, dict(strategy.settings), Path())
                for note in strategy.notes:
                    around.terminal.warn(note)
                around.disk.write(folder.config, _public(config).to_yaml())
                with _says_how_to_go_on(folder, around):
                    ready = prepare(config, Checkpoint(folder.checkpoint, around.disk), around, resume=False)
                    return _Run(folder, config, strategy, around, ready).to_the_end(replays=True)
            finally:
                strategy.close()


def resume(
    root: Path, rounds: int | None, tracking_uri: str | None, replays: bool, around: Surroundings
) -> dict[str, Any] | None:
    """Go on with a run; return the headline numbers, or None when it was finished already.

    Args:
        root: The run's folder.
        rounds: More rounds than the run had.
        tracking_uri: Another place for MLflow.
        replays: Whether the strategy's calls are repeated where it keeps state of its own.
        around: The process around.

    Raises:
        CheckpointError: Something changed since the run began, or it cannot be resumed exactly.
        ConfigError: There is no run in the folder, or fewer rounds are asked for.
    """
    folder = RunFolder(root)
    if not folder.config.is_file():
        raise ConfigError(f"--resume {root}: there is no run (no config.yaml); start one with --out {root}")
    config = parse_config(read_config(folder.config), str(folder.config))
    had = config.rounds or 0
    if rounds is not None and rounds < had:
        raise ConfigError(f"--rounds {rounds}: the run has {had} rounds; a resume can only add some")
    extended = rounds is not None and rounds > had
    if folder.record.is_file() and not extended:
        send_leftovers(config, folder, tracking_uri, around)
        return None
    folder.checkpoint.mkdir(exist_ok=True)
    with folder.locked():
        if tracking_uri is not None:
            config = config.model_copy(update={"tracking_uri": tracking_uri})
        if extended:
            config = config.model_copy(update={"rounds": rounds})
        ready = prepare(config, Checkpoint(folder.checkpoint, around.disk), around, resume=True)
        # Only now: what is refused above leaves a finished run finished.
        folder.record.unlink(missing_ok=True)
        if extended or tracking_uri is not None:
            around.disk.write(folder.config, _public(config).to_yaml())
        elif "://***@" in (config.tracking_uri or ""):
            around.terminal.warn("the password of the tracking URI is not kept: give --tracking-uri again")
        strategy = open_strategy(config, folder.strategy_log)
        try:
            with _says_how_to_go_on(folder, around):
                return _Run(folder, config, strategy, around, ready).to_the_end(replays=replays)
        finally:
            strategy.close()


def _public(config: Task1Config) -> Task1Config:
    """Return the configuration without what must not stand in a file that is shown to others."""
    uri = config.tracking_uri
    return config if uri is None else config.model_copy(update={"tracking_uri": without_password(uri)})


class Interrupted(FederationError):
    """The user ended the run; what is committed is safe."""


@contextmanager
def _says_how_to_go_on(folder: RunFolder, around: Surroundings) -> Iterator[None]:
    """Tell how to go on when a run ends before its time."""
    hint = f"go on with: challenge run task1 --resume {folder.root}"
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; {hint}") from error
    except (OSError, WorkerError):
        around.terminal.warn(f"what was done is safe; {hint}")
        raise


class _Run:
    """One process's share of a run: prepare, play the rounds that are left, finish."""

    def __init__(
        self,
        folder: RunFolder,
        config: Task1Config,
        strategy: OpenedStrategy,
        around: Surroundings,
        ready: Preparation,
    ) -> None:
        self._folder = folder
        self._config = config
        self._strategy = strategy
        self._around = around
        self._terminal = around.terminal
        self._ready = ready
        self._settings = ready.settings
        self._checkpoint = Checkpoint(folder.checkpoint, around.disk)
        self._log = EventLog(folder.log, around.now)
        self._began = around.now()

    def to_the_end(self, *, replays: bool) -> dict[str, Any]:
        """Play what is left and finish the folder."""
        inputs, saved = self._ready.inputs, self._ready.saved
        self._around.disk.write(self._folder.partition, inputs.split_csv())
        self._log.write("resumed" if saved else "started", identity=dict(self._ready.identity))
        room = Room(self._folder.checkpoint, self._terminal.say)
        with self._around.engine(self._config, inputs, room) as engine:
            if saved is None:
                state = first_state(engine.initial(self._config))
                facts: dict[str, Any] = {"resumes": [], "exact": True, "device": engine.device}
            else:
                state, facts = saved
                self._same_device(facts, engine)
                facts = {**facts, "resumes": [*facts["resumes"], state.aggregator.round]}
                facts["exact"] = self._recall(state, inputs, replays) and facts["exact"]
            board = Board(self._config, self._folder, submission_name(self._config.submission), self._around)
            try:
                state = self._play(state, engine, board, facts)
                self._strategy.close()  # what it still prints must not change a log that the record names
                cases = self._hidden_test(engine, inputs, state)
                headline = self._finish(state, cases, engine, facts)
                board.finish(headline, state.rounds[-1].round)
            except (FederationError, OSError):
                board.fail()
                raise
            finally:
                for problem in board.close():
                    self._terminal.warn(f"tracking: {problem}")
        self._terminal.finished(self._folder.root, headline)
        return headline

    def _same_device(self, facts: Mapping[str, Any], engine: Engine) -> None:
        if facts["device"] != engine.device:
            raise CheckpointError(
                f"cannot resume: the device changed since the run began ({facts['device']} then, "
                f"{engine.device} now); go on where there is the same, or start a new run"
            )

    def _recall(self, state: RunState, inputs: Inputs, replays: bool) -> bool:
        """Bring the strategy back to where it was; return whether that is exact."""
        host = self._strategy.host
        if self._strategy.resumes_from_state or not state.history or state.scored_last:
            host.restore(state.strategy)
            return True
        if not replays:
            host.restore(state.strategy)
            self._terminal.warn("resumed without replay: the submission has lost what it kept in variables")
            return False
        if not state.replayable:
            raise CheckpointError(
                f"{self._folder.root}: cannot be resumed exactly, the strategy's calls outgrew "
                f"replay_limit_mib {self._config.replay_limit_mib:g}; --resume-without-replay goes on without"
            )
        calls = Calls(self._settings.seed, self._settings.horizon_s, inputs.sites)
        replay(host, state, calls, self._keeper(), lambda n, m: self._terminal.progress("replaying", n, m))
        return True

    def _keeper(self) -> UpdateKeeper:
        return UpdateKeeper(self._checkpoint, int(self._config.replay_limit_mib * MIB))

    def _play(
        self,
        state: RunState,
        engine: Engine,
        board: Board,
        facts: dict[str, Any],
    ) -> RunState:
        sites = self._ready.inputs.sites
        experiment = Experiment(
            self._settings,
            sites,
            lambda n: steps(self._config, n),
            self._ready.world,
            self._strategy.host,
            engine.executor,
            None if self._strategy.resumes_from_state else self._keeper(),
            self._terminal,
        )
        self._terminal.begin(self._settings.rounds, self._settings.horizon_s, len(sites), len(state.rounds))
        board.restore(facts.get("tracking_run"), state)
        while not state.scored_last:
            state = experiment.play(state)
            facts["tracking_run"] = board.run_id
            self._checkpoint.save(state, self._ready.identity, facts)
            write_tables(self._folder, state, self._around.disk)
            row = state.rounds[-1]
            self._log.write("round", round=row.round, status=row.status, score=_plain(row.round_score))
            board.round_done(row)
            self._terminal.round_done(row)
        write_tables(self._folder, state, self._around.disk)
        return state

    def _hidden_test(self, engine: Engine, inputs: Inputs, state: RunState) -> list[dict[str, Any]]:
        sites = inputs.test_sites
        done: list[str] = []

        def note(site: str) -> None:
            done.append(site)
            self._terminal.progress("hidden test cases, institutions", len(done), len(sites))

        return meet_hidden_cases(
            engine.executor,
            state.best,
            state.aggregator.best.round,
            sites,
            submission_name(self._config.submission),
            self._config.seed,
            note,
        )

    def _finish(
        self,
        state: RunState,
        cases: Sequence[Mapping[str, Any]],
        engine: Engine,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        disk = self._around.disk
        write_results(self._folder, state, cases, disk)
        draw(self._folder, state, self._ready.world, self._settings.horizon_s, disk)
        headline = summary(state, cases)
        self._log.write("finished", **{name: _plain(value) for name, value in headline.items()})
        record = run_facts(
            self._config,
            self._strategy,
            state,
            self._ready.inputs,
            self._ready.identity,
            engine,
            facts,
            headline,
            wall_s=self._around.now() - self._began,
        )
        key = load_or_create_key(configuration_home(self._around.environment))
        write_record(self._folder.root, record, key, disk)
        return headline


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
