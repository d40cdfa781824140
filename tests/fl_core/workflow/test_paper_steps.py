"""The paper's workflow, command for command, in processes, on folders that stand for machines."""

from __future__ import annotations

import json
import subprocess
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from fx_federation import AGGREGATOR, edit_plan, enrol, in_one_process, models, parties, rows, run, wait_until
from paper_steps import Printed, prepared
from workspaces import FX, Federation, fx, fx_done

from fl_core.pki.authorised import read_authorised
from fl_core.tensors.codec import read_file
from fl_core.workspace.frozen import frozen_now

SITES = ("one", "two")


def test_every_file_lies_where_the_paper_says(printed: Printed) -> None:
    calls = printed.calls

    assert {"aggregator/W/plan/plan.yaml", "aggregator/W/requirements.txt"} <= calls["create"].new
    assert calls["initialize"].new == {
        "aggregator/W/save/init.safetensors",
        "aggregator/W/plan/plan.sha256",
    }
    assert "aggregator/W/cert/cert_chain.crt" in calls["certify"].new
    assert calls["agg request"].new == {
        "aggregator/W/cert/server/agg_localhost.key",
        "aggregator/W/cert/server/agg_localhost.csr",
    }
    assert "aggregator/W/cert/server/agg_localhost.crt" in calls["agg certify"].new
    assert calls["export"].new == {"aggregator/W/W.zip"}
    for name in SITES:
        assert f"{name}/W/plan/plan.yaml" in calls[f"{name} import"].new
        assert not any("cert" in file for file in calls[f"{name} import"].new)
        assert calls[f"{name} request"].new >= {
            f"{name}/W/cert/client/col_{name}.key",
            f"{name}/W/cert/client/col_{name}.csr",
            f"{name}/W/col_{name}_to_agg_cert_request.zip",
        }
        assert f"aggregator/W/agg_to_col_{name}_signed_cert.zip" in calls[f"{name} sign"].new
        assert calls[f"{name} reply"].new == {
            f"{name}/W/cert/client/col_{name}.crt",
            f"{name}/W/cert/cert_chain.crt",
        }


def test_keys_are_their_owner_s_alone(printed: Printed) -> None:
    keys = sorted(printed.federation.folder.rglob("*.key"))
    assert len(keys) >= 4
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert not any("key" in file for file in _names(printed.federation.aggregator / "W.zip"))


def _names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_only_signing_asks(printed: Printed) -> None:
    question = "shall it be signed?"
    asked = {key for key, call in printed.calls.items() if question in call.stdout + call.stderr}
    assert asked == {"agg certify", *(f"{name} sign" for name in SITES)}

    site = printed.federation.site("one")
    request = str(site / "col_one_to_agg_cert_request.zip")
    words = ("collaborator", "certify", "--request-pkg", request)
    for answer, told in (("", "nobody answered"), ("n\n", "not signed")):
        refused = subprocess.run(
            [FX, *words],
            cwd=printed.federation.aggregator,
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode == 1 and told in refused.stderr


def test_signing_shows_what_is_signed_and_authorises(printed: Printed) -> None:
    assert read_authorised(printed.federation.aggregator / "plan" / "cols.yaml") == dict.fromkeys(SITES)
    for name in SITES:
        told = printed.calls[f"{name} sign"].stdout
        mailed = printed.calls[f"{name} request"].stdout.split()[-1]
        assert f"subject:              CN={name}\n" in told and "role:                 client\n" in told
        assert mailed in told, "the fingerprint that is compared out of band"
    root = printed.calls["certify"].stdout.split()[-1]
    assert all(printed.calls[f"{name} reply"].stdout.split()[-1] == root for name in SITES)


def test_the_data_path_stays_at_the_site(printed: Printed) -> None:
    for i, name in enumerate(SITES):
        data = yaml.safe_load((printed.federation.site(name) / "plan" / "data.yaml").read_text())
        assert data == {name: str(i + 1)}
    known = (printed.federation.aggregator / "plan" / "data.yaml").read_text()
    assert not yaml.safe_load(known)


def test_the_hash_is_the_same_in_every_folder(printed: Printed) -> None:
    told = {
        printed.calls[key].stdout.split()[-1]
        for key in ("initialize", "export", *(f"{name} import" for name in SITES))
    }
    homes = (printed.federation.aggregator, *map(printed.federation.site, SITES))
    assert {frozen_now(home / "plan" / "plan.yaml").hash for home in homes} == told
    assert len(told) == 1 and told.pop().startswith("sha256:")


def test_the_book_of_the_authority(printed: Printed) -> None:
    listed = fx("workspace", "certify", "--list", cwd=printed.federation.aggregator)
    assert listed.returncode == 0
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert lines[0][:4] == ["serial", "status", "role", "subject"]
    issued = {(line[2], line[3]): line[1] for line in lines[1:] if line[2] != "authority"}
    assert issued == {
        ("server", "localhost"): "valid",
        **{("client", name): "valid" for name in SITES},
    }


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_federation_ends_as_in_one_process(printed: Printed, tmp_path: Path, count: int) -> None:
    """R rounds of the "+1" trainer end at the initial model plus R, in the last and in the best model."""
    federation = printed.federation.copy(tmp_path / "f")
    sites = federation.sites
    if count == 3:
        federation = enrol(federation, "three", "3")
        sites = federation.sites
    initial, _ = read_file(federation.aggregator / "save" / "init.safetensors")

    ended = run(federation)

    expected = in_one_process(federation)
    assert models(federation) == {"last": expected, "best": expected}
    last, _ = read_file(federation.aggregator / "save" / "last.safetensors")
    assert {name: (str(a.dtype), a.shape) for name, a in last.items()} == {
        name: (str(a.dtype), a.shape) for name, a in initial.items()
    }
    assert all(np.array_equal(last[name], initial[name] + 3) for name in initial)
    assert [(row["status"], row["received"]) for row in rows(federation)] == [
        *[("ok", str(len(sites)))] * 3,
        ("validation", str(len(sites))),
    ]
    assert ended.text(AGGREGATOR).splitlines()[-1] == (
        "the federation is over after 3 rounds; the best model is that after 3 (weight_mean 3)"
    )
    state = json.loads((federation.aggregator / "state" / "state.json").read_text())
    assert state["joined"] == sorted(sites) and state["finished"] is True


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["torch_cnn_mnist", "keras_cnn_mnist"])
def test_a_network_learns_the_digits_in_two_shards(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("keras") and find_spec("keras") is None:  # importing it would choose a backend
        pytest.skip("Keras is not installed (pip install 'fedbrats[keras]')")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MNIST_DIR", raising=False)
    data = {"one": "1", "two": "2"}
    federation = prepared(tmp_path / "f", name, data).federation
    edit_plan(federation, lambda plan: plan["aggregator"]["settings"].update(rounds_to_train=3))

    ended = run(federation, timeout=300)

    assert models(federation)["last"] == in_one_process(federation, data)
    scores = [float(row["score"]) for row in rows(federation)]
    assert len(scores) == 4 and scores[0] < 0.3 < 0.5 < scores[-1]
    shards = {row["site"]: row["samples"] for row in rows(federation, "sites")}
    assert set(shards) == set(data)
    assert all("scikit-learn's digits" in ended.text(site) for site in data)

    native = f"best.{'pt' if name.startswith('torch') else 'npz'}"
    best = federation.aggregator / "save" / f"{name}_best.safetensors"
    fx_done("model", "save", "-i", str(best), "-o", native, cwd=federation.aggregator)
    found, tensors = _opened(federation.aggregator / native), read_file(best)[0]
    assert set(found) == set(tensors)
    assert all(np.array_equal(found[name], array) for name, array in tensors.items())


def _opened(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return dict(arrays)
    import torch

    return {name: tensor.numpy() for name, tensor in torch.load(path, weights_only=True).items()}


@pytest.mark.slow
def test_a_site_that_is_certified_while_the_aggregator_runs_takes_part_from_the_next_round(
    two: Federation,
) -> None:
    two.changed(pause_s=1.0)
    with parties(two) as found:
        found.start()
        wait_until("round 0 began", lambda: "round 0: " in found.text("one"))
        federation = enrol(two, "three", "3")
        found.federation = federation
        found.start("three")
        found.end_well()

    selected = [int(row["selected"]) for row in rows(federation)]
    assert selected[0] == 2 and selected[-1] == 3 and selected == sorted(selected)
    last, _ = read_file(federation.aggregator / "save" / "last.safetensors")
    assert all(np.array_equal(array, np.full_like(array, 3)) for array in last.values())
    assert "plan/cols.yaml: 3 collaborators: one, three, two" in found.text(AGGREGATOR) or (
        "three: connected" in found.text(AGGREGATOR)
    )


@pytest.mark.slow
def test_a_second_federation_with_another_plan_runs_on_the_same_certificates(
    two: Federation, tmp_path: Path
) -> None:
    lead = two.aggregator
    run(two)
    first = models(two)["last"]
    fx_done("plan", "save", "first", cwd=lead)
    edit_plan(two, lambda plan: plan["task_runner"]["settings"].update(step=2.0))
    edit_plan(two, lambda plan: plan["aggregator"]["settings"].update(rounds_to_train=2))
    fx_done("plan", "save", "second", cwd=lead)

    refused = fx("aggregator", "start", cwd=lead)
    assert refused.returncode == 2 and "holds a federation of the plan" in refused.stderr
    (lead / "state").rename(lead / "state-first")
    (lead / "save" / "last.safetensors").rename(lead / "save" / "first.safetensors")
    run(two)

    last, _ = read_file(lead / "save" / "last.safetensors")
    assert all(np.array_equal(array, np.full_like(array, 4)) for array in last.values())
    assert (lead / "save" / "first.safetensors").read_bytes() == first
    assert fx_done("workspace", "certify", "--list", cwd=lead).count("valid") >= 3

    fx_done("plan", "switch", "first", cwd=lead)
    (lead / "state").rename(lead / "state-second")
    (lead / "state-first").rename(lead / "state")
    again = fx("aggregator", "start", "--linger", "0", cwd=lead)
    assert again.returncode == 0 and "all 3 rounds are over already" in again.stderr
    assert (lead / "save" / "last.safetensors").read_bytes() == first


@pytest.mark.slow
def test_plans_are_printed_saved_switched_and_removed(two: Federation) -> None:
    lead = two.aggregator
    default = fx("plan", "freeze", cwd=lead).stdout
    shown = yaml.safe_load(fx_done("plan", "print", cwd=lead))
    assert shown["aggregator"]["settings"]["rounds_to_train"] == 3
    assert shown["network"]["settings"]["agg_addr"] == "localhost"
    fx_done("plan", "save", "default", cwd=lead)
    edit_plan(two, lambda plan: plan["aggregator"]["settings"].update(rounds_to_train=7))
    fx_done("plan", "save", "-n", "longer", cwd=lead)
    longer = fx("plan", "freeze", "--check", cwd=lead).stdout
    assert longer.startswith("sha256:") and longer != default

    fx_done("plan", "switch", "default", cwd=lead)
    assert fx("plan", "freeze", "--check", cwd=lead).stdout == default
    assert fx("plan", "remove", "default", cwd=lead).returncode == 2
    fx_done("plan", "remove", "longer", cwd=lead)
    assert fx("plan", "switch", "longer", cwd=lead).returncode == 2

    plan = lead / "plan" / "plan.yaml"
    plan.write_text(plan.read_text().replace("rounds_to_train: 3", "rounds_to_train: 4"))
    changed = fx("aggregator", "start", cwd=lead)
    assert changed.returncode == 2 and "changed since they were frozen" in changed.stderr
