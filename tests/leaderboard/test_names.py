from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.names import mlflow_name, parameter_value, without_password


@settings(deadline=None)  # the first example imports MLflow
@given(st.text(max_size=300))
def test_every_name_is_one_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(mlflow_name(name))


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_ :-]{0,30}", fullmatch=True))
def test_a_name_that_mlflow_takes_stays(name: str) -> None:
    assert mlflow_name(name) == name


def test_a_long_parameter_is_cut_with_a_mark() -> None:
    assert parameter_value(7) == "7"
    assert parameter_value("x" * 6000) == "x" * 6000
    assert parameter_value("x" * 6001) == "x" * 5999 + "…"


def test_passwords_do_not_show() -> None:
    assert without_password("cannot reach https://a:b@host:5000/x") == "cannot reach https://***@host:5000/x"
    assert without_password("sqlite:////srv/runs/mlflow.db") == "sqlite:////srv/runs/mlflow.db"
    assert "p@ss" not in without_password("postgresql://u:p@ss@db/x")
