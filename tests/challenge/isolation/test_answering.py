from __future__ import annotations

import numpy as np
import pytest
from isolated_round import MODEL, Start, aggregate, context, select

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig


def dispatcher(function: str, arguments: str, bodies: list[str]) -> str:
    """Return a submission whose function does the body of the round's number; the first is in line 6."""
    cases = "".join(
        f"def case_{n}(context, model=None, updates=None):\n    {b}\n" for n, b in enumerate(bodies)
    )
    return (
        "import numpy as np\nfrom tasks.task1_aggregation.strategy import RoundConfig\n"
        f"def {function}({arguments}):\n"
        f"    context.state.clear(); return globals()[f'case_{{context.round}}']({arguments})\n{cases}"
    )


SELECTIONS = [
    ("raise ValueError('no luck')", r"raised ValueError: no luck \(submission.py line 6\)"),
    ("raise KeyboardInterrupt", r"raised KeyboardInterrupt \(submission.py line 8\)"),
    ("return np.linalg.inv(np.zeros((2, 2)))", r"raised LinAlgError: .*\(submission.py line 10\)"),
    ("return None", "returned None; a list of site names"),
    ("return 5", "returned a value of type int"),
    ("return '123'", "returned a value of type str"),
    ("return ['1', 2]", "returned 2, a value of type int; site names are texts"),
    ("return ['1'] * 10_001", "more than 10000 names"),
    ("import itertools; return itertools.repeat('1')", "more than 10000 names"),
    ("return ['x' * 300]", "a name of 300 characters"),
    ("context.state['f'] = open; return []", r"context.state\['f'\] is a builtin_function"),
    ("context.state['s'] = context.state; return []", "holds itself"),
    ("context.state['c'] = np.array(['a']); return []", "dtype <U1"),
    ("context.state = 3; return []", "context.state became a int"),
    (r"raise ValueError('\x1b[31m\udc80' + 'x' * 9999)", r"raised ValueError:  \[31m.xxx"),
]


def test_what_goes_wrong_in_a_function_is_named_and_the_process_lives_on(start: Start) -> None:
    host = start(dispatcher("select_sites", "context", [body for body, _ in SELECTIONS] + ["return ['2']"]))
    for number, (_, message) in enumerate(SELECTIONS):
        with pytest.raises(StrategyError, match=message) as caught:
            select(host, number)
        assert caught.value.function == "select_sites" and "\n" not in str(caught.value)
        assert len(str(caught.value)) < 2100
    assert select(host, len(SELECTIONS)) == ["2"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit(3)", r"ended its process \(exit code 3\)"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); exit('text')",
            "code 1",
        ),
        ("import os; os._exit(4)", r"ended its process \(exit code 4\)"),
        ("import os; os.kill(os.getpid(), 9)", r"ended its process \(signal SIGKILL; .*memory\)"),
    ],
)
def test_a_function_that_ends_its_process_is_named(start: Start, body: str, message: str) -> None:
    host = start(f"def select_sites(context):\n    {body}\n")
    with pytest.raises(StrategyError, match=message):
        select(host)


CONFIGURATIONS = [
    ("return None", "returned None; a RoundConfig"),
    ("return (0.1, 2)", "returned a value of type tuple"),
    ("return {'1': None}", "returned a value of type dict"),
    ("return {1: RoundConfig()}", "site names"),
    ("return RoundConfig(learning_rate='fast')", "learning_rate is a value of type str; a number"),
    ("return RoundConfig(epochs=True)", "epochs is a value of type bool"),
    ("return RoundConfig(batches=2**70)", "cannot be handed over"),
    ("return RoundConfig(local_names='w')", "local_names must be a tuple"),
    ("return RoundConfig(broadcast=[1])", "as broadcast"),
    ("return RoundConfig(broadcast={'c': object()})", "dtype object"),
]


def test_a_configuration_of_a_wrong_form_is_named(start: Start) -> None:
    host = start(dispatcher("configure_round", "context", [body for body, _ in CONFIGURATIONS]))
    for number, (_, message) in enumerate(CONFIGURATIONS):
        with pytest.raises(StrategyError, match=message) as caught:
            host.configure_round(context("configure_round", number))
        assert caught.value.function == "configure_round"


def test_numbers_that_are_not_finite_are_for_the_experiment_to_judge(start: Start) -> None:
    host = start(
        """
        from tasks.task1_aggregation.strategy import RoundConfig
        def configure_round(context): return RoundConfig(learning_rate=float("nan"), epochs=-1)
        """
    )
    config = host.configure_round(context("configure_round"))
    assert isinstance(config, RoundConfig) and config.epochs == -1 and config.learning_rate is not None
    assert np.isnan(config.learning_rate)


AGGREGATES = [
    ("model['w'][0] = 1", r"raised ValueError: .*read-only \(submission.py line 6\)"),
    ("updates[0].tensors['w'] *= 2", r"raised ValueError: .*read-only"),
    ("model['w'].setflags(write=True)", "raised ValueError: cannot set WRITEABLE"),
    ("return None", "returned None; a mapping of tensor name to array is wanted"),
    ("return [model['w']]", "returned a value of type list"),
    ("return {1: model['w']}", "under 1; names are texts"),
    ("return {'w': np.array([None])}", "array 'w' has dtype object"),
    ("return {'w': 'text'}", "array 'w' has dtype <U4"),
    ("return {'w': [[1], [1, 2]]}", "tensor 'w' is a value of type list, no array"),
    ("return {'w': lambda: 1}", "array 'w' has dtype object"),
]


def test_an_aggregate_of_a_wrong_form_is_named(start: Start) -> None:
    host = start(dispatcher("aggregate", "context, model, updates", [body for body, _ in AGGREGATES]))
    before = MODEL["w"].copy()
    for number, (_, message) in enumerate(AGGREGATES):
        with pytest.raises(StrategyError, match=message) as caught:
            aggregate(host, number)
        assert caught.value.function == "aggregate"
    np.testing.assert_array_equal(MODEL["w"], before)


def test_an_aggregate_in_float64_or_with_strange_names_passes_to_the_experiment(start: Start) -> None:
    host = start(
        "def aggregate(context, model, updates): return {'x/y': model['w'] * 0.5 + 1e-9, 'e': [1, 2]}"
    )
    answer = aggregate(host)
    assert answer["e"].tolist() == [1, 2]
    assert answer["x/y"].dtype == np.float32 and not answer["x/y"].flags.writeable
