"""An importable ``fets_challenge`` that captures a submission instead of running it.

It is in ``sys.modules`` from the loading of a submission until the next one is loaded, so that an
import inside one of the functions finds it too. A real package of that name is neither needed nor used.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from tasks.task1_aggregation.fets import spec_sens_code
from tasks.task1_aggregation.fets.capture import Capture

PACKAGE = "fets_challenge"
MAX_SIMULATION_TIME = 7 * 24 * 60 * 60

_MARK = "__stand_in__"
_LOG = logging.getLogger(__name__)


def build(capture: Capture) -> dict[str, ModuleType]:
    """Return the stand-in's modules by their full names."""
    logger = logging.getLogger(f"{PACKAGE}.experiment")
    logger.setLevel(logging.INFO)
    experiment = _module(
        f"{PACKAGE}.experiment",
        {
            "logger": logger,
            "run_challenge_experiment": capture.run_challenge_experiment,
            "MAX_SIMULATION_TIME": MAX_SIMULATION_TIME,
        },
    )
    masks = _module(f"{PACKAGE}.spec_sens_code", {"brats_labels": spec_sens_code.brats_labels})
    inference = _module(f"{PACKAGE}.inference", {"model_outputs_to_disc": model_outputs_to_disc})
    package = _module(
        PACKAGE,
        {
            "run_challenge_experiment": capture.run_challenge_experiment,
            "model_outputs_to_disc": model_outputs_to_disc,
            "experiment": experiment,
            "spec_sens_code": masks,
            "inference": inference,
            "__path__": [],  # a package, in which nothing else is found
        },
    )
    return {module.__name__: module for module in (package, experiment, masks, inference)}


def install(modules: Mapping[str, ModuleType]) -> None:
    """Make the modules importable, in place of an earlier stand-in."""
    remove()
    sys.modules.update(modules)


def remove() -> None:
    """Take away whatever stand-in there is; a package that is none stays."""
    for name in [name for name, module in sys.modules.items() if hasattr(module, _MARK)]:
        del sys.modules[name]


def model_outputs_to_disc(*_args: Any, **_kwargs: Any) -> None:
    """Do nothing: the harness segments the hidden cases with the best model itself."""
    _LOG.warning("model_outputs_to_disc does nothing here; the harness evaluates the best model itself")


def _module(name: str, content: Mapping[str, Any]) -> ModuleType:
    module = ModuleType(name, f"Stands in for {name} of the FeTS challenge.")
    module.__dict__.update(content)
    module.__dict__[_MARK] = True
    return module
