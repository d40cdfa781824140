"""From a plan's section ``compression_pipeline`` to codecs, and to who uses which."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from fl_core.compression.base import Codec
from fl_core.compression.exchange import Exchange
from fl_core.compression.none import NoCompression
from fl_core.errors import PlanError
from fl_core.plan.template import resolve

DIRECTIONS: Final = ("upload", "download")
_METHODS: Final = ("encode", "decode", "compresses")


def codec_of(template: str | None, settings: Mapping[str, Any]) -> Codec:
    """Return the codec that a plan names.

    Args:
        template: Dotted path of its class, e.g. ``fl_core.compression.ternary.Ternary``; None for
            no compression.
        settings: Its constructor's arguments.

    Raises:
        PlanError: The class cannot be reached or is no codec; a setting is unknown (the nearest is
            told), missing or out of range.

    Example:
        >>> codec_of("fl_core.compression.eden.Eden", {"n_bits": 1}).name
        'eden'
    """
    made = NoCompression if template is None else resolve(template)
    subject = f"compression_pipeline {template or NoCompression.name}"
    # Before it is called: what is no codec is not to do anything.
    if not inspect.isclass(made) or not all(hasattr(made, method) for method in _METHODS):
        raise PlanError(f"{subject}: name the class of a codec, with {', '.join(_METHODS)}")
    try:
        known = [name for name in inspect.signature(made).parameters]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known) or 'none'}"
                raise PlanError(f"{subject}: unknown setting {name!r}{hint}")
        codec = made(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"{subject}: {setting}: {first['msg']}, not {first['input']!r:.80}") from error
    except (TypeError, ValueError) as error:
        raise PlanError(f"{subject}: {error}") from error
    if not isinstance(codec, Codec):
        raise PlanError(f"{subject}: this is no codec; it lacks name, sparse or error_feedback")
    return codec


def exchange_of(
    template: str | None, settings: Mapping[str, Any], *, seed: int, delta_updates: bool
) -> Exchange:
    """Return who compresses what, as a plan's section says.

    With a template, updates are compressed and models travel lossless. Without one, ``settings``
    may have ``upload`` and ``download``, each a mapping of ``template`` and ``settings``.

    Args:
        template: Of the section.
        settings: Of the section.
        seed: The run's.
        delta_updates: Whether sites report ``trained - received``.

    Raises:
        PlanError: See `codec_of`; or a download codec that would drop most of a model.

    Example:
        >>> half = {"template": "fl_core.compression.fp16.Float16"}
        >>> exchange = exchange_of(None, {"download": half}, seed=0, delta_updates=False)
        >>> exchange.upload.name, exchange.download.name
        ('none', 'fp16')
    """
    if template is not None:
        return Exchange(seed, upload=codec_of(template, settings), delta_updates=delta_updates)
    codecs = {"upload": codec_of(None, {}), "download": codec_of(None, {})}
    for direction, section in settings.items():
        if direction not in DIRECTIONS:
            near = difflib.get_close_matches(str(direction), DIRECTIONS, n=1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"without a template it has {' and '.join(DIRECTIONS)}"
            )
            raise PlanError(f"compression_pipeline: unknown setting {direction!r}; {hint}")
        codecs[direction] = _codec_of_section(direction, section)
    return Exchange(seed, codecs["upload"], codecs["download"], delta_updates)


def _codec_of_section(direction: str, section: Any) -> Codec:
    subject = f"compression_pipeline.{direction}"
    if not isinstance(section, Mapping) or not set(section) <= {"template", "settings"}:
        raise PlanError(f"{subject}: write template and settings under it")
    template, settings = section.get("template"), section.get("settings", {})
    if not isinstance(template, str | None) or not isinstance(settings, Mapping):
        raise PlanError(f"{subject}: template is a dotted path, settings are a mapping")
    return codec_of(template, settings)
