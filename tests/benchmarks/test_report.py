"""The form of a benchmark's report."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.machine import machine, one_line
from benchmarks.report import Measurement, document, write_json


def test_a_report_has_the_form_that_readers_rely_on(tmp_path: Path) -> None:
    cases = [Measurement("a", 3.0, "s", "floor", 2.0), Measurement("b", 1.0, "Dice", "target", 0.5)]
    write_json(tmp_path / "new" / "report.json", document("demo", {"cores": 2}, cases))

    first = {"case": "a", "value": 3.0, "unit": "s", "reference": "floor", "reference_value": 2.0}
    second = {"case": "b", "value": 1.0, "unit": "Dice", "reference": "target", "reference_value": 0.5}
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == {
        "name": "demo",
        "machine": {"cores": 2},
        "cases": [{**first, "ratio": 1.5}, {**second, "ratio": 2.0}],
    }


def test_the_ratio_to_nothing_is_a_number() -> None:
    assert Measurement("a", 0.0, "s", "floor", 0.0).ratio == 0.0
    assert Measurement("a", 2.0, "s", "floor", 0.0).ratio == pytest.approx(2e9)


@pytest.mark.parametrize(("value", "reference"), [(math.nan, 1.0), (1.0, math.inf)])
def test_what_is_no_number_is_refused(value: float, reference: float) -> None:
    with pytest.raises(ValueError, match=r"case a: .* finite"):
        Measurement("a", value, "s", "floor", reference)


def test_a_case_stands_once() -> None:
    case = Measurement("a", 1.0, "s", "floor", 1.0)
    with pytest.raises(ValueError, match="case a stands twice"):
        document("demo", {}, [case, case])


def test_the_machine_is_told_without_its_name() -> None:
    import platform

    facts = machine()
    assert facts["cores"] >= 1 and facts["libraries"]["numpy"]
    assert f"{facts['cores']} cores" in one_line(facts)
    assert platform.node() not in json.dumps(facts)
