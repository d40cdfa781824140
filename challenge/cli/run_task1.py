"""``challenge run task1``: a submission trains over simulated institutions and is scored."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from challenge.config import Task1Config

PathOption = Path | None


def task1(
    submission: Annotated[
        PathOption,
        typer.Option(metavar="PATH", help="A .py, .ipynb or folder; without it the built-in FedAvg runs."),
    ] = None,
    data: Annotated[
        PathOption, typer.Option(metavar="DIR", help="Folder of cases; without it the embedded phantom.")
    ] = None,
    partition: Annotated[
        str | None, typer.Option(metavar="NAME|CSV", help="See `challenge partition list`. [natural]")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds to train.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of every random choice. [0]")] = None,
    outages: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="none, mild, severe, a .yaml or a trace .csv.")
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="default|fets2022", help="Simulated clock.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="local|grpc", help="Workers, or collaborators over mutual TLS; the same bytes."),
    ] = None,
    federation: Annotated[
        PathOption,
        typer.Option(
            metavar="WORKSPACE", help="With grpc: lead the fx workspace there; its sites run elsewhere."
        ),
    ] = None,
    export_workspace: Annotated[
        PathOption,
        typer.Option(metavar="DIR", help="Make the fx workspace for --federation there; run nothing."),
    ] = None,
    impose_outages: Annotated[
        float | None,
        typer.Option(
            metavar="SCALE", help="With grpc: outages hit connections; SCALE simulated seconds a second."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. [one a core]")] = None,
    device: Annotated[str | None, typer.Option(metavar="auto|cpu|cuda")] = None,
    isolation: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="auto, L0, or none (unofficial; breakpoint() works)."),
    ] = None,
    init: Annotated[
        PathOption, typer.Option(metavar="FILE.safetensors", help="Weights to start from.")
    ] = None,
    config: Annotated[
        PathOption, typer.Option(metavar="FILE", help="YAML with any of these and more; options win.")
    ] = None,
    out: Annotated[
        PathOption, typer.Option(metavar="DIR", help="New or empty folder. [runs/task1-DATE-TIME]")
    ] = None,
    resume: Annotated[PathOption, typer.Option(metavar="DIR", help="Go on with an unfinished run.")] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="MLflow; `off` for none. [SQLite beside the run]")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure one batch and one validation; run nothing.")
    ] = False,
    resume_without_replay: Annotated[
        bool, typer.Option("--resume-without-replay", help="Go on though the submission lost its variables.")
    ] = False,
) -> None:
    """Train a submission's federation in simulated time and score it."""
    from challenge.cli.task1_terminal import open_terminal
    from challenge.task1.run import resume as resume_run
    from challenge.task1.run import start
    from challenge.task1.surroundings import Surroundings

    given: dict[str, Any] = {
        "submission": submission,
        "data": data,
        "partition": partition,
        "rounds": rounds,
        "seed": seed,
        "outages": outages,
        "profile": profile,
        "engine": engine,
        "federation": federation,
        "impose_outages": impose_outages,
        "workers": workers,
        "device": device,
        "isolation": isolation,
        "init": init,
        "tracking_uri": tracking_uri,
    }
    given = {name: value for name, value in given.items() if value is not None}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    with open_terminal() as terminal:
        around = Surroundings(terminal)
        if resume is not None:
            _only_what_a_resume_takes(given, config, out, dry_run or export_workspace is not None)
            if resume_run(resume, rounds, tracking_uri, not resume_without_replay, around) is None:
                terminal.say(f"{resume} is finished; nothing to do")
            return
        settings = configuration(given, config)
        if export_workspace is not None:
            from challenge.task1.export import export

            terminal.say(export(settings, export_workspace, around))
            return
        if dry_run:
            from challenge.task1.dry_run import estimate

            for line in estimate(settings, around):
                terminal.say(line)
            return
        start(settings, out or _dated_folder(), around)


def configuration(given: dict[str, Any], file: Path | None) -> Task1Config:
    """Return the configuration of a file with the command line's options over it; paths made absolute."""
    from challenge.config import ConfigError, parse_config, read_config

    values = read_config(file) if file is not None else {}
    source = f"{file}" if file is not None else "command line"
    merged = {**values, **given}
    for name in ("submission", "data", "init", "federation"):
        if merged.get(name) is not None:
            base = Path() if name in given or file is None else file.parent
            merged[name] = (base / Path(str(merged[name])).expanduser()).resolve()
            if not merged[name].exists():
                raise ConfigError(f"{name}: {merged[name]} does not exist")
            if name == "init" and not merged[name].is_file():
                raise ConfigError(f"init: {merged[name]} is a folder; name a .safetensors file")
    for name, endings in (("partition", (".csv",)), ("outages", (".csv", ".yaml", ".yml"))):
        named = merged.get(name)
        if isinstance(named, str) and named.endswith(endings):
            base = Path() if name in given or file is None else file.parent
            merged[name] = str((base / Path(named).expanduser()).resolve())
    return parse_config(merged, source, given)


def _only_what_a_resume_takes(
    given: dict[str, Any], config: Path | None, out: Path | None, dry_run: bool
) -> None:
    from challenge.config import ConfigError

    extra = sorted(set(given) - {"rounds", "tracking_uri"})
    extra += [name for name, value in (("config", config), ("out", out), ("dry_run", dry_run)) if value]
    if extra:
        option = extra[0].replace("_", "-")
        raise ConfigError(
            f"--{option} does not go with --resume: the run's folder says everything else; "
            "only a larger --rounds and another --tracking-uri may be added"
        )


def _dated_folder() -> Path:
    import datetime

    return Path("runs") / f"task1-{datetime.datetime.now(tz=datetime.UTC):%Y%m%d-%H%M%S}"
