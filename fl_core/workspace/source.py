"""The task runner that a plan describes, opened on a site's data: what a worker is given to load."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from fl_core.errors import InputError, PlanError
from fl_core.plan.build import check_settings, make
from fl_core.plan.template import resolve
from fl_core.task_runner.base import RunnerSource, TaskRunner
from fl_core.workspace.code import import_code

INITIAL: Final = "initial"
"""The site's name under which a source opens a runner only for its initial model."""


class PlanSource:
    """Opens a plan's task runner, a class, on the data of a site.

    The class is called as ``Runner(data, **settings)``. `data` is what the data loader's template makes of
    the site's data path, ``Loader(path, **settings)``; the path itself where the plan has no data loader; and
    None where only the model is wanted. A class whose signature has ``seed`` is given the run's, unless the
    plan sets another.

    Args:
        settings: As `open_source` takes them.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._runner: Mapping[str, Any] = settings["task_runner"]
        self._loader: Mapping[str, Any] = settings["data_loader"]
        self._paths: Mapping[str, str] = settings.get("data") or {}
        self._seed = int(settings.get("seed", 0))
        self._loaded: dict[str, Any] = {}
        self._open: tuple[str, TaskRunner] | None = None

    def open(self, site: str) -> TaskRunner:
        """Return the runner of a site; the one opened last stays, the data of every site does.

        Raises:
            InputError: The site's data path is not known.
            PlanError: A template has no such setting.
        """
        if self._open is None or self._open[0] != site:
            self._open = (site, self._made(self._data(site)))
        return self._open[1]

    def initial(self) -> TaskRunner:
        """Return a runner without data, for its model."""
        return self._made(None)

    def _made(self, data: Any) -> TaskRunner:
        settings = dict(self._runner.get("settings") or {})
        template, where = str(self._runner["template"]), "the plan: task_runner"
        if "seed" in inspect.signature(resolve(template)).parameters:
            settings.setdefault("seed", self._seed)
        runner = make(template, settings, where, data)
        return cast(TaskRunner, runner)

    def _data(self, site: str) -> Any:
        template = self._loader.get("template")
        if template is None:
            return self._paths.get(site)
        if site not in self._paths:
            raise InputError(
                f"site {site}: its data path is not known here; write `{site}: PATH` into plan/data.yaml"
            )
        if site not in self._loaded:
            settings = self._loader.get("settings") or {}
            self._loaded[site] = make(template, settings, "the plan: data_loader", self._paths[site])
        return self._loaded[site]


def open_source(settings: Mapping[str, Any]) -> RunnerSource:
    """Return the source that a plan describes; see `fl_core.plan.build.worker_setup`.

    The task runner's template is a class (see `PlanSource`), or a function that takes the settings and
    returns a `RunnerSource` (such as ``fl_core.task_runner.plus_one:open_source``). A function with a
    parameter ``data`` is given every site's data path by name.

    Args:
        settings: ``workspace`` (a folder or None), ``task_runner`` and ``data_loader`` (each with a
            ``template`` and ``settings``), ``data`` (paths by site) and ``seed``.

    Raises:
        PlanError: A template cannot be reached or has no such setting.

    Example:
        >>> runner = {"template": "fl_core.task_runner.plus_one:open_source", "settings": {"step": 2.0}}
        >>> sorted(open_source({"task_runner": runner, "data_loader": {}}).open("1").tensors())
        ['weight']
    """
    if settings.get("workspace"):
        import_code(Path(settings["workspace"]))
    template = settings["task_runner"].get("template")
    if template is None:
        raise PlanError(
            "the plan: task_runner.template is not set; name the class of your runner, e.g. src.model.Runner"
        )
    found = resolve(template)
    if isinstance(found, type):
        return PlanSource(settings)
    plain = settings["task_runner"].get("settings") or {}
    if "data" in inspect.signature(found).parameters:
        return cast(RunnerSource, found(plain, data=dict(settings.get("data") or {})))
    check_settings(found, {}, "the plan: task_runner", plain)
    return cast(RunnerSource, found(plain))


def initial_runner(settings: Mapping[str, Any]) -> TaskRunner:
    """Return a runner for its model alone, without any site's data.

    Raises:
        PlanError: As `open_source`.
    """
    source = open_source(settings)
    return source.initial() if isinstance(source, PlanSource) else source.open(INITIAL)
