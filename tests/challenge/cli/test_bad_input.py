"""Bad input through the real command: an exit code, one or two lines of what and how, nothing left over."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet

from fl_core.durable import Disk
from fl_core.tensors.codec import read_file, write_file

CHALLENGE = Path(sys.executable).parent / "challenge"
SMALL = ("--rounds", "1", "--workers", "1", "--tracking-uri", "off")


@dataclass(frozen=True)
class Wrong:
    """A call that must be refused before anything begins.

    Attributes:
        name: What is wrong with it.
        arguments: After ``challenge run task1 --data DATA --out out``; ``{data}`` stands for the data.
        says: Each of these stands in what it writes to standard error.
        files: Files of the working folder.
        code: The exit code.
        quick: Whether it is in the fast suite.
    """

    name: str
    arguments: tuple[str, ...]
    says: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    code: int = 2
    quick: bool = False


def setting(name: str, text: str, *says: str, quick: bool = False) -> Wrong:
    """A configuration file that says something wrong."""
    return Wrong(name, ("--config", "run.yaml"), ("run.yaml: ", *says), {"run.yaml": text}, quick=quick)


def division(name: str, rows: str, *says: str, quick: bool = False) -> Wrong:
    """A partition CSV that is wrong."""
    header = "" if rows.startswith("!") else "Partition_ID,Subject_ID,TrainOrVal\n"
    files = {"parts.csv": header + rows.lstrip("!")}
    return Wrong(name, ("--partition", "parts.csv"), ("parts.csv", *says), files, quick=quick)


GOOD_ROWS = "1,Phantom_0001,\n1,Phantom_0002,\n"
FINITE = "it must be a finite number above 0"

CALLS = [
    Wrong("no such scheme", ("--partition", "dirichlit"), ("partition dirichlit", "natural, tum")),
    Wrong("no such csv", ("--partition", "nosuch.csv"), ("nosuch.csv: no such partition CSV",)),
    Wrong("no such outages", ("--outages", "storm"), ("no outages 'storm'", "none, mild, severe, or")),
    Wrong("no such profile", ("--profile", "fast"), ("--profile: ", "'default' or 'fets2022'"), quick=True),
    Wrong("no such engine", ("--engine", "abacus"), ("--engine: ", "'local'", "'abacus'")),
    Wrong("no such level", ("--isolation", "L9"), ("--isolation: ", "'none'", "'L0'", "'L9'")),
    Wrong("no such device", ("--device", "tpu"), ("--device: ", "'auto', 'cpu' or 'cuda'", "'tpu'")),
    Wrong("no rounds", ("--rounds", "0"), ("--rounds", "greater than or equal to 1"), quick=True),
    Wrong("rounds as text", ("--rounds", "many"), ("--rounds", "a valid integer")),
    Wrong("no workers", ("--workers", "0"), ("--workers", "greater than or equal to 1")),
    Wrong("a negative seed", ("--seed", "-1"), ("--seed", "greater than or equal to 0")),
    Wrong("no such option", ("--epoch", "1"), ("No such option: --epoch", "`challenge run task1 --help`")),
    Wrong("a word too many", ("please",), ("unexpected extra argument", "please")),
    Wrong("no such submission", ("--submission", "team.py"), ("team.py does not exist",), quick=True),
    Wrong("no such data", ("--data", "nowhere"), ("data", "nowhere does not exist")),
    Wrong("data that is a file", ("--data", "a"), ("/a: no such data folder",), {"a": ""}),
    Wrong("data without a case", ("--data", "."), ("no complete case", "`challenge data check"), {"a": ""}),
    Wrong("no such config", ("--config", "run.yaml"), ("run.yaml: no such configuration file",)),
    Wrong("no such init", ("--init", "w.safetensors"), ("init", "w.safetensors does not exist")),
    Wrong("init is a folder", ("--init", "."), ("init", "is a folder; name a .safetensors file")),
    Wrong("init is no model", ("--init", "w"), ("--init", "/w: ", "is no model or corrupt"), {"w": "x" * 99}),
    Wrong("init is empty", ("--init", "w"), ("--init", "/w: "), {"w": ""}),
    Wrong("out is a file", ("--out", "a"), ("--out a: ", "name a new or empty folder"), {"a": "b"}),
    Wrong("out has files", ("--out", "."), ("--out .: is not empty",), {"a": "b"}),
    setting("an unknown key", "sede: 1", "sede is no setting; did you mean seed?", quick=True),
    setting("an unknown limit", "limits: {agregate_s: 1}", "limits.agregate_s is no", "mean aggregate_s?"),
    setting("an unknown training key", "training: {learning_rat: 1}", "did you mean learning_rate?"),
    setting("not YAML", "[1", "cannot be read as YAML"),
    setting("a list", "- 1", "a configuration is keys and values"),
    setting("an empty file", "", "a configuration is keys and values"),
    setting("another version", "schema: task1-config/9", "schema: ", "'task1-config/1'"),
    setting("a seed as text", "seed: ten", "seed: ", "a valid integer", "'ten'"),
    setting("half a step", "score_every: 1.5", "score_every: ", "'1.5'"),
    setting("a number as partition", "partition: 7", "partition: ", "a valid string"),
    setting("limits of nothing", "limits: {aggregate_s: 0}", "limits.aggregate_s: ", "greater than 0"),
    setting("an infinite horizon", "horizon_s: .inf", "horizon_s: ", "finite"),
    setting("a share above 1", "test_fraction: 1.5", "test_fraction: ", "less than 1"),
    *(
        setting(f"epochs {value}", f"epochs: {value}", "epochs: ", says)
        for value, says in (
            (".nan", "finite"), (".inf", "finite"), ("0", "than 0"), ("-2", "than 0"), ("x", "'x'")
        )
    ),
    *(
        setting(f"rate {value}", f"training: {{learning_rate: {value}}}", f"_rate is {shown}; {FINITE}")
        for value, shown in ((".nan", "nan"), (".inf", "inf"), ("0", "0"), ("-2", "-2"), ("fast", "'fast'"))
    ),
    setting("no batch", "training: {batch_size: 0}", "training.batch_size is 0; it must be a whole number"),
    setting("a flat patch", "training: {patch: [32, 32]}", "patch is [32, 32]; it must be a list of 3"),
    Wrong(
        "no such network", ("--config", "c.yaml"),
        ("'resnext' is not known", "monai-dynunet, monai-segresnet, monai-unet, unet"),
        {"c.yaml": "network: {name: resnext}"},
    ),
    Wrong(
        "a network of nothing", ("--config", "c.yaml"), ("network unet: ", "in the configuration"),
        {"c.yaml": "network: {name: unet, channels: [-3, 8]}"},
    ),
    Wrong(
        "outages of no kind", ("--outages", "o.yaml"), ("o.yaml: kind must be process, windows or trace",),
        {"o.yaml": "mean_up: 3"},
    ),
    Wrong(
        "outages of no site", ("--outages", "o.yaml"), ("unknown sites: Narnia; the sites are 1, 2, 3",),
        {"o.yaml": "{kind: windows, windows: [{site: Narnia, start_s: 0, end_s: 1}]}"},
    ),
    division("an unknown case", GOOD_ROWS + "1,Phantom_9,\n", "4: case 'Phantom_9' is not", quick=True),
    division("a case twice", GOOD_ROWS + "2,Phantom_0001,\n", "4: case 'Phantom_0001' stands there already"),
    division("a bad TrainOrVal", "1,Phantom_0001,trian\n", "2: TrainOrVal is 'trian'; it must be train"),
    division("one case", GOOD_ROWS + "2,Phantom_0003,\n", "institution '2' has 1 of the two", quick=True),
    division("nobody trains", "1,Phantom_0001,val\n1,Phantom_0002,val\n", "'1' has no case to train"),
    division("a reserved name", "hidden,Phantom_0001,\nhidden,Phantom_0002,\n", "no institution can be"),
    division("no rows", "", "names no case"),
    division("other columns", "!site,case\n1,2\n", "1: the columns are site,case; they must be Part"),
    division("a short row", GOOD_ROWS + "1\n", "line 4: has 1 fields"),
]  # fmt: skip


def by_speed(calls: list[Wrong]) -> list[ParameterSet]:
    """All calls; only some of them in the fast suite, as each starts a process."""
    return [
        pytest.param(call, id=call.name, marks=[] if call.quick else [pytest.mark.slow]) for call in calls
    ]


def run(
    folder: Path, *arguments: object, limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHALLENGE, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        preexec_fn=limit,
        timeout=250,
        check=False,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_says(found: subprocess.CompletedProcess[str], code: int, *parts: str, lines: int = 2) -> None:
    assert found.returncode == code, found.stdout + found.stderr
    written = found.stderr.strip().splitlines()
    assert 1 <= len(written) <= lines, found.stderr
    assert "Traceback" not in found.stderr + found.stdout
    errors = [line for line in written if line.startswith("error: ")]
    assert len(errors) == 1, found.stderr
    for part in parts:
        assert part in found.stderr


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Path:
    """The folder of a small run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    found = run(folder, "run", "task1", "--data", tiny_data, "--out", "run", *SMALL)
    assert found.returncode == 0, found.stderr
    return folder / "run"


@pytest.mark.parametrize("call", by_speed(CALLS))
def test_a_wrong_call_is_refused_and_leaves_nothing(call: Wrong, work: Path, tiny_data: Path) -> None:
    for name, text in call.files.items():
        (work / name).write_text(text)

    found = run(work, "run", "task1", "--data", tiny_data, *SMALL, "--out", "out", *call.arguments)

    assert_says(found, call.code, *call.says)
    assert content(work) == {name: text.encode() for name, text in call.files.items()}
    assert not (work / "out").exists()


@pytest.mark.slow
def test_an_option_over_a_file_is_named_as_an_option(work: Path) -> None:
    (work / "good.yaml").write_text("profile: default\n")
    (work / "bad.yaml").write_text("epochs: 0\n")

    option = run(work, "run", "task1", "--config", "good.yaml", "--profile", "fast")
    file = run(work, "run", "task1", "--config", "bad.yaml", "--profile", "default")

    assert_says(option, 2, "error: --profile: ")
    assert_says(file, 2, "error: bad.yaml: epochs: ")


def test_debug_shows_where_an_error_came_from(work: Path) -> None:
    found = run(work, "run", "task1", "--data", "nowhere", "--debug")

    assert found.returncode == 2
    assert "Traceback" in found.stderr and found.stderr.splitlines()[-1].startswith("error: data: ")


@pytest.mark.parametrize("name", ["Phantom_0005_t2.nii.gz", "Phantom_0005_seg.nii.gz"])
@pytest.mark.parametrize("damage", ["cut short", "not gzip", "empty"])
@pytest.mark.slow
def test_a_corrupt_image_is_named(work: Path, tiny_data: Path, name: str, damage: str) -> None:
    shutil.copytree(tiny_data, work / "data")
    image = work / "data" / "Phantom_0005" / name
    whole = image.read_bytes()
    image.write_bytes({"cut short": whole[: len(whole) // 2], "not gzip": b"x" * 500, "empty": b""}[damage])

    found = run(work, "run", "task1", "--data", "data", "--out", "out", *SMALL)

    assert_says(found, 2, str(image), "copy the file again")
    assert not (work / "out").exists()
    checked = run(work, "data", "check", "data")
    assert checked.returncode == 1 and "9 of 10 cases are complete" in checked.stdout
    assert name in checked.stdout
    image.write_bytes(whole)
    assert run(work, "data", "check", "data").returncode == 0


@pytest.mark.slow
def test_an_institution_left_with_one_case_is_named(work: Path, tiny_data: Path) -> None:
    shutil.copytree(tiny_data, work / "data")
    (work / "data" / "Phantom_0008" / "Phantom_0008_flair.nii.gz").unlink()

    found = run(work, "run", "task1", "--data", "data", "--out", "out", *SMALL)

    assert_says(found, 2, "Phantom_0008")
    assert not (work / "out").exists()


@pytest.mark.slow
def test_other_weights_are_refused_by_name_and_shape(work: Path, tiny_data: Path, finished: Path) -> None:
    weights, _ = read_file(finished / "model.safetensors")
    first = sorted(weights)[0]
    other = {name: array for name, array in weights.items() if name != first}
    cases = [
        (other, f"missing '{first}'"),
        ({**weights, "surplus": np.zeros(2, np.float32)}, "extra 'surplus'"),
        ({**weights, first: np.zeros((7, 7), np.float32)}, "has shape (7, 7); it must be "),
        ({**weights, first: weights[first].astype(np.int64)}, "has dtype int64; it must be float32"),
        ({**weights, first: np.full_like(weights[first], np.nan)}, "such as nan; every value must be finite"),
    ]
    for tensors, says in cases:
        write_file(work / "w.safetensors", tensors, disk=Disk())
        found = run(
            work, "run", "task1", "--data", tiny_data, "--out", "out", *SMALL, "--init", "w.safetensors"
        )
        assert_says(found, 2, "--init", "w.safetensors", says)
        assert not (work / "out").exists()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import tensorflow_federated",
            ("load: imports tensorflow_federated (team.py line 1)", "it offers numpy"),
        ),
        ("def aggregate(:", ("load: team.py line 1: ",)),
        ("import os; os._exit(3)", ("load: ended its process (exit code 3)",)),
    ],
)
@pytest.mark.slow
def test_a_submission_that_cannot_be_loaded(
    work: Path, tiny_data: Path, code: str, says: tuple[str, ...]
) -> None:
    (work / "team.py").write_text(code)

    found = run(work, "run", "task1", "--data", tiny_data, "--out", "out", *SMALL, "--submission", "team.py")

    assert_says(found, 1, *says)
    assert not (work / "out" / "config.yaml").exists()


@pytest.mark.slow
def test_a_submission_that_never_ends_is_stopped_by_the_limit_of_the_config(
    work: Path, tiny_data: Path
) -> None:
    (work / "team.py").write_text("def aggregate(context, model, updates):\n    while True: pass\n")
    (work / "run.yaml").write_text("submission: team.py\nlimits: {aggregate_s: 0.5}\n")

    found = run(work, "run", "task1", "--data", tiny_data, "--out", "out", *SMALL, "--config", "run.yaml")

    assert_says(found, 1, "aggregate: took longer than 0.5 s; its process was ended")
    assert not (work / "out" / "record.json").exists()


@pytest.mark.slow
def test_a_finished_run_keeps_every_byte(finished: Path, tiny_data: Path) -> None:
    before = content(finished)
    folder = finished.parent
    for arguments, code, says in [
        (("--out", "run", "--data", tiny_data), 2, "--out run: is not empty; name a new or empty folder, or"),
        (("--resume", "run", "--seed", 3), 2, "--seed does not go with --resume"),
        (("--resume", "run", "--out", "b"), 2, "--out does not go with --resume"),
        (("--resume", "run", "--data", tiny_data), 2, "--data does not go with --resume"),
        (("--resume", "run", "--dry-run"), 2, "--dry-run does not go with --resume"),
        (("--resume", "run", "--rounds", 0), 2, "--rounds"),
        (("--resume", "nowhere"), 2, "--resume nowhere: there is no run (no config.yaml)"),
    ]:  # fmt: skip
        assert_says(run(folder, "run", "task1", *arguments), code, says)
    again = run(folder, "run", "task1", "--resume", "run")
    assert again.returncode == 0 and "run is finished; nothing to do" in again.stdout and again.stderr == ""
    assert content(finished) == before
    assert sorted(path.name for path in folder.iterdir()) == ["run"]


@pytest.mark.slow
def test_a_leaderboard_that_is_not_there_costs_no_result(work: Path, tiny_data: Path) -> None:
    arguments = ("--rounds", 1, "--workers", 1, "--tracking-uri", "nonsense://board")

    found = run(work, "run", "task1", "--data", tiny_data, "--out", "out", *arguments)

    assert found.returncode == 0 and "Traceback" not in found.stderr
    assert "note: tracking: MLflow (nonsense://board): " in found.stderr
    assert run(work, "verify", "out").returncode == 0


HOSTILE = (
    "tasks.py", "challenge.py", "fl_core.py", "partitions/__init__.py", "leaderboard.py", "torch.py",
    "numpy.py", "numpy/__init__.py", "typer.py", "yaml.py", "SimpleITK.py", "random.py", "sitecustomize.py",
)  # fmt: skip


@pytest.mark.slow
def test_a_strangers_modules_in_the_working_folder_change_nothing(work: Path, tiny_data: Path) -> None:
    honest = work.with_name("honest")
    honest.mkdir()
    for folder in (honest, work):
        (folder / "submissions").mkdir()
        (folder / "submissions" / "team.py").write_text(
            dedent(
                """
                import numpy as np
                import tasks, torch
                def aggregate(context, model, updates):
                    print(tasks.__file__, torch.__file__)
                    return {n: sum(u.tensors[n] * np.float32(u.weight) for u in updates) for n in model}
                """
            )
        )
    for name in HOSTILE:
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(
            f"open({str(work / 'marker')!r}, 'a').write(__name__)\nraise SystemExit(9)\n"
        )
    results = {}
    for folder in (honest, work):
        found = run(
            folder, "run", "task1", "--data", tiny_data, "--out", "out", "--rounds", 1, "--workers", 2,
            "--tracking-uri", "off", "--submission", "submissions/team.py",
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        assert run(folder, "verify", "out").returncode == 0
        results[folder] = {
            name: (folder / "out" / name).read_bytes()
            for name in ("rounds.csv", "sites.csv", "cases.csv", "model.safetensors", "strategy.log")
        }

    assert not (work / "marker").exists()
    assert results[work] == results[honest]


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_checkpoint_loses_nothing(
    work: Path, tiny_data: Path, finished: Path
) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    call = ("run", "task1", "--data", tiny_data, "--out", "run", *SMALL)

    found = run(work, *call, limit=small_files)

    assert_says(found, 1, ".safetensors: File too large; raise the limit on the size of files (ulimit -f)")
    assert not [name for name in content(work) if name.endswith(".tmp")]
    assert run(work, "run", "task1", "--resume", "run").returncode == 0
    for name in ("rounds.csv", "sites.csv", "cases.csv", "model.safetensors", "config.yaml"):
        assert (work / "run" / name).read_bytes() == (finished / name).read_bytes(), name
