from __future__ import annotations

import json

import pytest

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.notebook import join_cells


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def test_cells_are_joined_and_markdown_is_left_out():
    content = {
        "cells": [
            {"cell_type": "markdown", "source": ["# Title"]},
            {"cell_type": "code", "source": ["a = 1\n", "b = 2"]},
            {"cell_type": "code", "source": "c = a + b"},
        ]
    }
    joined = join_cells(json.dumps(content), "n.ipynb")
    space: dict[str, int] = {}
    exec(joined.text, space)
    assert space["c"] == 3
    assert joined.starts == ((1, 1), (4, 2))
    assert joined.notes == ()


def test_the_format_of_old_notebooks():
    content = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 4"]}]}]}
    assert "a = 4" in join_cells(json.dumps(content), "n.ipynb").text


def test_magics_and_shell_lines_become_comments_with_a_note():
    cell = "%matplotlib inline\nx = 5\nif x:\n    !pip install wandb\nhelp?\nfiles = !ls\ny = (x\n  % 3)\n"
    joined = join_cells(notebook(cell, "%%bash\nrm -rf /", "%%time\nz = 1"), "n.ipynb")
    space: dict[str, int] = {}
    exec(joined.text, space)
    assert (space["x"], space["y"], space["z"]) == (5, 2, 1)
    left_out = [note.split("'")[1] for note in joined.notes]
    assert left_out == [
        "%matplotlib inline",
        "!pip install wandb",
        "help?",
        "files = !ls",
        "%%bash",
        "%%time",
    ]
    assert joined.text.count("\n") == len(cell.splitlines()) + 1 + 3 + 3, "no line is moved"


def test_a_percent_in_a_string_is_no_magic():
    cell = 'text = """\n%matplotlib inline\n!ls\n"""'
    joined = join_cells(notebook(cell), "n.ipynb")
    assert cell in joined.text
    assert joined.notes == ()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"cells": [{}]}', "print(1)"])
def test_what_is_no_notebook(content):
    with pytest.raises(StrategyError, match=r"n\.ipynb is not a notebook"):
        join_cells(content, "n.ipynb")
