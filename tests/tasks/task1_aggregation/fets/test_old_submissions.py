"""Submissions in the manner of real ones, played over rounds of random updates."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tasks.task1_aggregation.strategy import RoundConfig, Strategy


def numpy_fedavg(played, name):
    return np.average(
        [u.tensors[name] for u in played.updates], weights=[u.weight for u in played.updates], axis=0
    )


def test_a_weighted_average_with_numpy_is_its_float64_result_cast_back(driver, old, caplog):
    """Native FedAvg sums in float32; numpy.average in float64: they differ by rounding only."""
    for played in driver(old("weighted_average").strategy).play(3):
        for name in ("conv.weight", "conv.bias", "norm.running_mean"):
            expected = numpy_fedavg(played, name)
            assert expected.dtype == np.float64
            assert played.after[name].dtype == np.float32
            assert played.after[name].tobytes() == expected.astype(np.float32).tobytes()
            native = np.asarray(Strategy().aggregate(None, played.before, played.updates)[name])
            np.testing.assert_allclose(played.after[name], native, rtol=0, atol=1e-6)
        assert played.after["norm.batches"].dtype == np.int64
        assert int(played.after["norm.batches"]) == round(float(numpy_fedavg(played, "norm.batches")))
    assert caplog.text.count("cast back") == 1


def test_clipped_deltas(driver, old):
    for played in driver(old("clipped").strategy).play(3):
        name = "conv.weight"
        deltas = np.array([u.tensors[name] - played.before[name] for u in played.updates])
        limit = np.quantile(np.abs(deltas), 0.8)
        cut = np.minimum(np.maximum(deltas, -limit), limit)
        expected = played.before[name] + sum(
            u.weight * d.astype(np.float64) for u, d in zip(played.updates, cut, strict=True)
        )
        np.testing.assert_allclose(played.after[name], expected, rtol=1e-5, atol=1e-6)
        assert np.max(np.abs(played.after[name] - numpy_fedavg(played, name))) > 1e-3


@pytest.mark.parametrize("submission", ["momentum_in_tensor_db", "momentum_in_globals"])
def test_server_momentum_is_its_formula(driver, old, submission):
    """V = 0.9 V + mean(W_prev - W_k); W = W_prev - V; FedAvg in round 0 and for other tensors."""
    velocity: dict[str, np.ndarray] = {}
    for played in driver(old(submission).strategy).play(5):
        for name, before in played.before.items():
            mean = numpy_fedavg(played, name)
            if played.round > 0 and name.endswith(("weight", "bias")):
                step = before.astype(np.float64) - mean
                velocity[name] = 0.9 * velocity.get(name, 0.0) + step
                mean = before - velocity[name]
            if before.dtype.kind == "f":
                np.testing.assert_allclose(played.after[name], mean, rtol=1e-5, atol=1e-6)
    assert np.abs(velocity["conv.weight"]).max() > 0.01


def test_momentum_goes_on_after_a_round_without_an_aggregate(driver, old):
    table = driver(old("momentum_in_tensor_db").strategy, skipped=(2,)).play(5)
    globals_ = driver(old("momentum_in_globals").strategy, skipped=(2,)).play(5)
    assert table[2].after == table[2].before
    for a, b in zip(table, globals_, strict=True):
        np.testing.assert_array_equal(a.after["conv.weight"], b.after["conv.weight"])


def test_a_list_that_is_shuffled_and_files_in_the_working_folder(driver, old, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play = driver(old("similarity").strategy)
    rounds = play.play(6)
    assert [site.name for site in play.sites] == ["1", "2", "3"]
    assert {len(played.selected) for played in rounds} == {1}
    assert len({played.selected[0] for played in rounds[:3]}) == 3, "three windows cover all three sites"
    assert (tmp_path / "used.npy").exists()
    for played in rounds:
        only = played.updates[0].tensors["conv.weight"].astype(np.float64)
        np.testing.assert_allclose(played.after["conv.weight"], np.round(only, 4), atol=1e-6)


def test_the_fastest_of_the_last_round_and_the_three_tuple_of_2021(driver, old):
    play = driver(old("fastest").strategy)
    rounds = play.play(4)
    for played in rounds[1::2]:
        times = {name: r.time_s for name, r in play.history[played.round - 1].sites.items()}
        assert played.selected == [min(times, key=times.get)]
    assert rounds[0].config == RoundConfig(learning_rate=1e-3 / 3, epochs=2.0)
    assert rounds[1].config == RoundConfig(learning_rate=1e-3, epochs=2.0)


def test_metrics_of_this_round_and_the_last_with_their_tags(driver, old):
    submission = old("readers")
    rounds = driver(submission.strategy).play(9)
    function = submission.strategy._functions.aggregation_function
    seen = function.__globals__["seen"]
    for played in rounds:
        weights = [played.reports[u.site].metrics["local_valid_dice"] for u in played.updates]
        expected = np.average(
            [u.tensors["conv.weight"] for u in played.updates], weights=weights, axis=0
        ).astype(np.float32)
        np.testing.assert_array_equal(played.after["conv.weight"], expected)
    for played in rounds[:-1]:
        told = seen[played.round]
        losses = [played.reports[n].metrics["loss"] * w for n, w in (("1", 0.6), ("2", 0.3), ("3", 0.1))]
        assert [float(value) for value in told["loss"]] == [pytest.approx(sum(losses))]
        assert len(told["dice"]) == 3
        assert told["hparam"] == {"learning_rate": 0.01 * (played.round + 1), "epochs_per_round": 1.0}
        assert told["metric_rounds"] == list(range(played.round + 1)), "metrics stay for ever"
    assert seen[7]["rounds"] == [4, 5, 6, 7], "rows of round <= 8 - 5 are gone"


@pytest.mark.parametrize("name", ["momentum_in_tensor_db", "momentum_in_globals", "readers"])
def test_repeating_the_calls_rebuilds_what_the_functions_remember(driver, old, name):
    """What a resume does: the same calls to a newly loaded submission end in the same bytes."""
    first, again = driver(old(name).strategy), driver(old(name).strategy)
    for a, b in zip(first.play(4), again.play(4), strict=True):
        assert a.config == b.config
        assert {n: x.tobytes() for n, x in a.after.items()} == {n: x.tobytes() for n, x in b.after.items()}


def test_participants_log_through_the_challenges_logger(driver, old, caplog):
    with caplog.at_level(logging.INFO):
        driver(old("fastest").strategy).play(1)
    assert ("fets_challenge.experiment", logging.INFO, "choosing") in caplog.record_tuples
