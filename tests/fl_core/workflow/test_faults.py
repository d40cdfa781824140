"""The index of faults: every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (?!fault \||---)(?P<fault>.+?) \| (?P<tests>.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
FAULTS = {"Correctness": 13, "Speed": 5, "Robustness": 7, "Security": 5}
"""How many there are to be; a row that falls out would not show otherwise."""


def _defined(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_fault_names_tests_that_are_there() -> None:
    sections = (ROOT / "docs" / "faults.md").read_text().split("\n## ")[1:]
    found = {section.partition("\n")[0]: list(ROW.finditer(section)) for section in sections}

    assert {name: len(rows) for name, rows in found.items()} == FAULTS
    for row in (row for rows in found.values() for row in rows):
        named = NAMED.findall(row["tests"])
        assert named, row["fault"]
        for file, test in named:
            path = ROOT / "tests" / "fl_core" / file
            assert path.is_file(), (row["fault"], file)
            assert test in _defined(path), (row["fault"], f"{file}::{test}")
