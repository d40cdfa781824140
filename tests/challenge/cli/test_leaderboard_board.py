"""``challenge leaderboard show|publish|verify|post`` through the command line."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from board_runs import signed_run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from challenge.cli.main import run
from challenge.records.keys import load_or_create_key

STRANGER = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
FEW = ("--resamples", "20")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHALLENGE_HOME", str(tmp_path / "home"))
    key = load_or_create_key(tmp_path / "home")
    for name, skill in (("slow", -0.5), ("good", 0.8)):
        signed_run(tmp_path / "runs" / name, key, name, skill=skill, sizes=(4, 3), rounds=2)
    return tmp_path / "runs"


def challenge(*arguments: object) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    command = ["challenge", "leaderboard", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", command),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        run()
    code = end.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def test_show_ranks_what_is_verified_and_says_what_is_not(runs: Path) -> None:
    signed_run(runs / "stranger", STRANGER, "stranger", skill=3.0, sizes=(4, 3))

    done = challenge("show", runs, *FEW)

    assert done.returncode == 0, done.stderr
    assert done.stdout.index("good") < done.stdout.index("slow")
    assert "P(first)" in done.stdout and "stranger" not in done.stdout
    assert "fets2022-task1, the challenge's own" in done.stderr
    assert "stranger, seed 0: signed by a key that is not trusted" in done.stderr


def test_verify_finds_a_changed_file(runs: Path) -> None:
    before = challenge("verify", runs)
    with (runs / "good" / "rounds.csv").open("a") as file:
        file.write(" ")
    after = challenge("verify", runs)

    assert before.returncode == 0 and "2 verified, 0 not" in before.stdout
    assert after.returncode == 1 and "1 verified, 1 not" in after.stdout
    assert "rounds.csv: changed" in after.stdout


def test_publish_writes_a_site_into_a_new_folder_only(runs: Path, tmp_path: Path) -> None:
    done = challenge("publish", runs, "--out", tmp_path / "site", "--title", "Spring round", *FEW)
    again = challenge("publish", runs, "--out", tmp_path / "site", *FEW)

    assert done.returncode == 0, done.stderr
    assert "Spring round" in (tmp_path / "site" / "index.html").read_text()
    assert (tmp_path / "site" / "submissions" / "good.html").is_file()
    assert again.returncode == 2 and "is not empty" in again.stderr


def test_pictures_need_consent_and_come_from_their_folder_alone(runs: Path, tmp_path: Path) -> None:
    place = tmp_path / "pictures" / "good" / "site 0"
    place.mkdir(parents=True)
    for case in range(4):
        (place / f"case-0-{case}.png").write_bytes(bytes.fromhex("89504e470d0a1a0a"))
    call = ("publish", runs, "--pictures", tmp_path / "pictures", *FEW)

    refused = challenge(*call, "--out", tmp_path / "no")
    done = challenge(*call, "--out", tmp_path / "site", "--show-cases")

    assert refused.returncode == 2 and "--show-cases" in refused.stderr
    assert not (tmp_path / "no").exists()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "submissions" / "good.html").read_text().count("data:image/png") == 4


def test_the_ladder_leaves_of_a_team_one_attempt(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "attempts.csv").write_text("team,submission\nx,good\nx,slow\n")

    done = challenge("show", runs, "--ladder", tmp_path / "attempts.csv", *FEW)

    assert done.returncode == 0, done.stderr
    assert "slow" not in done.stdout
    assert "slow, seed 0: was no significant improvement of x" in done.stderr


@pytest.mark.slow
def test_a_board_is_posted_and_read_from_mlflow(runs: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    posted = challenge(
        "post", runs, "--tracking-uri", uri, "--phase", "test", "--outbox", tmp_path / "outbox"
    )
    source = ("--tracking-uri", uri, "--experiment", "task1-test-private")

    verified = challenge("verify", *source)
    shown, plain = challenge("show", *source, *FEW), challenge("show", runs, *FEW)

    assert posted.returncode == 0, posted.stderr
    assert posted.stdout.count("posted: ") == 2
    assert verified.returncode == 0, verified.stdout
    assert shown.stdout == plain.stdout and shown.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show",), "give folders of runs, or --tracking-uri"),
        (("show", "none"), "none: is no folder"),
        (("verify", "--tracking-uri", "sqlite:////none/mlflow.db"), "there is no such store"),
        (("show", "{runs}", "--scheme", "best"), "scheme best: unknown"),
        (("show", "{runs}", "--trusted-key", "none.pem"), "none.pem cannot be read"),
        (("post", "{runs}", "--tracking-uri", "x", "--phase", "final"), "none of dev, test"),
    ],
)
def test_a_wrong_call_is_one_line(runs: Path, arguments: tuple[str, ...], message: str) -> None:
    done = challenge(*(word.format(runs=runs) for word in arguments))

    assert done.returncode in (1, 2)
    assert message in done.stderr and "Traceback" not in done.stderr
