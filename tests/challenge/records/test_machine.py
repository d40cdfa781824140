import json
from importlib import metadata

from challenge.records.canonical import canonical_json
from challenge.records.machine import differences, machine_facts


def test_the_facts_can_be_recorded_and_name_what_bytes_depend_on() -> None:
    facts = machine_facts(threads=1)
    assert json.loads(canonical_json(facts)) == facts
    assert facts["threads"] == 1
    assert facts["device"] == "cpu"
    assert facts["cores"] >= 1
    assert facts["libraries"]["numpy"] == metadata.version("numpy")


def test_one_machine_does_not_differ_from_itself() -> None:
    assert differences(machine_facts(threads=1), machine_facts(threads=4)) == []


def test_each_difference_is_told() -> None:
    here = {
        "python": "3.11.7",
        "system": "Linux",
        "architecture": "x86_64",
        "processor": "A",
        "processor_features": ["avx2"],
        "libraries": {"torch": "2.13.0", "numpy": "2.4.6"},
    }
    there = here | {
        "python": "3.12.0",
        "processor_features": ["avx2", "avx512f"],
        "device": "cuda",
        "libraries": {"torch": "2.10.0", "monai": "1.5.0", "numpy": "2.4.6"},
    }
    assert differences(there, here) == [
        "python 3.12.0 there, 3.11.7 here",
        "trained on cuda",
        "processor features avx2, avx512f there, avx2 here",
        "monai 1.5.0 there, absent here",
        "torch 2.10.0 there, 2.13.0 here",
    ]


def test_an_old_record_with_less_in_it_is_no_crash() -> None:
    found = differences({}, machine_facts(threads=1))
    assert any(line.startswith("python unknown there") for line in found)
    assert differences({"libraries": 3, "processor_features": 4}, {}) == [
        "processor features unknown there, unknown here"
    ]
