"""``fx model``: what a federation trained, for use outside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What a federation trained.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """What a federation trained."""


@app.command()
def save(
    model: Annotated[
        Path,
        typer.Option(
            "-i", "--input", "--model-path", metavar="FILE", help="Safetensors of the federation, from save/."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            "--output-path",
            metavar="OUT",
            help="OUT.pt (PyTorch), OUT.keras or OUT.weights.h5 (Keras), OUT.npz, OUT.safetensors.",
        ),
    ],
) -> None:
    """Write a model of the federation in its framework's own form."""
    from fl_core.workspace.layout import open_workspace
    from fl_core.workspace.native_model import save_model

    told = save_model(open_workspace(Path()), model, output)
    typer.echo(f"{output}: {told}")
