"""What the adapter hands to the three functions, and what it makes of their answers."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.adapter import FetsStrategy
from tasks.task1_aggregation.fets.functions import FetsFunctions
from tasks.task1_aggregation.strategy import RoundConfig, Strategy


def test_defaults_are_fedavg_to_the_last_bit(driver):
    rounds = driver(FetsStrategy(FetsFunctions())).play(3)
    for played in rounds:
        native = Strategy().aggregate(None, played.before, played.updates)
        assert {n: np.asarray(a).tobytes() for n, a in played.after.items()} == {
            n: np.asarray(a).tobytes() for n, a in native.items()
        }
        assert played.selected == ["1", "2", "3"]
        assert played.config == RoundConfig()


def test_a_site_whose_update_is_lost_is_chosen_but_not_among_the_local_tensors(driver, loaded):
    text = """
import numpy as np
calls = []

def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    calls.append((fl_round, chosen[fl_round], [t.col_name for t in local_tensors],
                  sum(t.weight for t in local_tensors)))
    return local_tensors[0].tensor
"""
    submission = loaded(text)
    driver(submission.strategy, lost={1: ("2",)}).play(2)
    calls = submission.strategy._functions.aggregation_function.__globals__["calls"]
    assert len(calls) == 2 * 4
    assert calls[0][1:3] == (["1", "2", "3"], ["1", "2", "3"])
    assert calls[-1][1:3] == (["1", "2", "3"], ["1", "3"])
    assert all(weight == pytest.approx(1.0) for *_, weight in calls)


HARMFUL = """
import numpy as np

def choose_training_collaborators(collaborators, db_iterator, fl_round, chosen, times):
    collaborators.clear()
    for names in chosen.values():
        names.append('9')
    for all_times in times.values():
        all_times['1'] = -1.0
    chosen.clear()
    return ['1', '2']

def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    for t in local_tensors:
        t.tensor[...] = t.tensor * 2
    chosen[fl_round].append('9')
    times[fl_round].clear()
    return local_tensors[0].tensor
"""


def test_what_functions_do_to_their_arguments_reaches_nothing_of_the_harness(driver, loaded):
    play = driver(loaded(HARMFUL).strategy)
    rounds = play.play(3)
    assert [record.selected for record in play.history] == [("1", "2")] * 3
    assert all(site.time_s > 0 for record in play.history for site in record.sites.values())
    for played in rounds:
        np.testing.assert_array_equal(
            played.after["conv.weight"], 2 * played.updates[0].tensors["conv.weight"]
        )


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [("db_iterator", "Record"), ("tensor_db", "TensorDB"), ("history_iter", "Record"), ("db", "TensorDB")],
)
def test_the_second_parameters_name_decides_the_view(driver, loaded, parameter, kind):
    text = f"""
kinds = set()

def aggregation_function(local_tensors, {parameter}, tensor_name, fl_round, chosen, times):
    view = {parameter}
    kinds.add(type(view).__name__ if hasattr(view, 'search') else type(next(view)).__name__)
    return local_tensors[0].tensor
"""
    submission = loaded(text)
    driver(submission.strategy).play(1)
    assert submission.strategy._functions.aggregation_function.__globals__["kinds"] == {kind}


ROWS = """
rows = {}

def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    if tensor_name == 'conv.bias':
        rows[fl_round] = [(r['tensor_name'], r['round'], r['tags'], r['origin'], r['report'], r['nparray'])
                          for _, r in tensor_db.iterrows() if r['tensor_name'] == tensor_name]
    return local_tensors[-1].tensor
"""


def test_rows_rounds_tags_and_origins(driver, loaded):
    submission = loaded(ROWS)
    rounds = driver(submission.strategy).play(2)
    rows = submission.strategy._functions.aggregation_function.__globals__["rows"]
    first = [(round_, tags) for _, round_, tags, *_ in rows[0]]
    trained = [("1", "trained"), ("2", "trained"), ("3", "trained")]
    assert first == [(0, ("model",)), *((0, tags) for tags in trained)]
    second = {(round_, tags): array for _, round_, tags, _, _, array in rows[1]}
    assert set(second) - set(first) == {
        (1, ("model",)),
        (1, ("aggregated",)),
        (1, ("aggregated", "delta")),
        *((1, tags) for tags in trained),
    }
    before, after = rounds[0].before["conv.bias"], rounds[0].after["conv.bias"]
    np.testing.assert_array_equal(second[1, ("aggregated",)], after)
    np.testing.assert_array_equal(second[1, ("model",)], after)
    np.testing.assert_array_equal(second[1, ("aggregated", "delta")], after - before)
    np.testing.assert_array_equal(second[1, ("2", "trained")], rounds[1].updates[1].tensors["conv.bias"])
    assert {(origin, report) for *_, origin, report, _ in rows[1]} == {("aggregator", False)}


def test_the_model_that_the_harness_kept_is_the_one_that_is_recorded(driver, loaded):
    submission = loaded(ROWS)
    play = driver(submission.strategy)
    play.play(1)
    play.model = {name: array * 0 for name, array in play.model.items()}
    play.play(1)
    rows = submission.strategy._functions.aggregation_function.__globals__["rows"][1]
    values = {tags: array for _, round_, tags, *_, array in rows if round_ == 1}
    assert not values[("model",)].any()
    assert not values[("aggregated",)].any()


@pytest.mark.parametrize(("keep", "rounds"), [(1, [5]), (2, [4, 5]), (0, [5]), (-1, [0, 1, 2, 3, 4, 5])])
def test_db_store_rounds(driver, keep, rounds):
    seen = []

    def choose(collaborators, tensor_db, fl_round, chosen, times):
        seen.append(sorted(set(tensor_db[~tensor_db["report"]]["round"])))
        return collaborators

    functions = FetsFunctions(choose_training_collaborators=choose)
    driver(FetsStrategy(functions, db_store_rounds=keep)).play(6)
    assert seen[5] == rounds


def test_hausdorff_rows_where_they_were_asked_for(driver):
    names = set()

    def choose(collaborators, db_iterator, fl_round, chosen, times):
        names.update(record["tensor_name"] for record in db_iterator)
        return collaborators

    driver(FetsStrategy(FetsFunctions(choose_training_collaborators=choose))).play(2)
    assert not any("Hausdorff" in name or "hd95" in name for name in names)
    driver(FetsStrategy(FetsFunctions(choose_training_collaborators=choose)), hausdorff=True).play(2)
    assert {"performance_evaluation_metric_binary_Hausdorff95_WT", "valid_hd95_per_label_4"} <= names


def test_an_empty_selection_names_the_function(driver, loaded):
    text = """
def choose_training_collaborators(collaborators, db_iterator, fl_round, chosen, times):
    return collaborators[:int(0.2 * len(collaborators))]
"""
    with pytest.raises(StrategyError, match="choose_training_collaborators returned an empty selection"):
        driver(loaded(text).strategy).play(1)


def test_two_runs_give_the_same_bytes_whatever_the_order_of_the_models_names(driver, loaded):
    text = """
import numpy as np
drift = 0.0

def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    global drift
    drift = 0.5 * drift + float(np.sum(local_tensors[0].tensor))
    return local_tensors[0].tensor + drift
"""
    results = []
    for reverse in (False, True):
        play = driver(loaded(text).strategy)
        play.model = dict(sorted(play.model.items(), reverse=reverse))
        play.rng = np.random.default_rng(0)
        context = play._context(0, "aggregate", selected=("1",))
        update = play._updates(0, ["1"])[0] if not reverse else results[0][1]
        results.append((play.host.aggregate(context, play.model, [update]), update))
    for name in results[0][0]:
        np.testing.assert_array_equal(results[0][0][name], results[1][0][name])
