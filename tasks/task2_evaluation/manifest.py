"""What a model package says of itself: ``package.yaml`` or ``package.json``, schema ``model-package/1``."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.segmentation.regions import LABELS, REGIONS
from tasks.task2_evaluation.errors import PackageError

SCHEMA: Literal["model-package/1"] = "model-package/1"
FILE_NAMES = ("package.yaml", "package.json")
MOST_BYTES = 64 * 2**10

Modality = Literal["t1", "t1ce", "t2", "flair"]
Edge = Annotated[int, Field(ge=8, le=1024)]
Millimetres = Annotated[float, Field(ge=0.1, le=20)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
_MOST_DEPTH = 16
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENDING = {"onnx": ".onnx", "weights": ".safetensors"}


class Manifest(BaseModel):
    """A package's manifest.

    Attributes:
        name: Of the model: letters, digits, ``.``, ``_``, ``-``.
        team: Who hands it in.
        lane: What kind of package it is.
        licence: Of the model, an SPDX identifier or a text.
        description: A line for people.
        modalities: The input channels in order.
        spacing: Voxel size in mm, (z, y, x), that the model was made for; None takes each case as it is.
        patch: Size of the sliding window in voxels, (z, y, x).
        regions: The output channels in order, where they are regions: a sigmoid of each.
        labels: The output channels in order, where they are labels: the largest wins.
        file: The model's file (lanes ``onnx`` and ``weights``).
        network: The architecture's ``name`` in the zoo, and its settings (lane ``weights``).
        module: A Python file with ``predict(case) -> labels`` (lane ``code``).
        command: Words of a command that reads ``{input}`` and writes ``{output}`` (lane ``code``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_: Literal["model-package/1"] = Field(alias="schema")
    name: str
    team: Word
    lane: Literal["onnx", "weights", "code"]
    licence: Word
    description: str = Field(default="", max_length=2000)
    modalities: tuple[Modality, ...] = Field(
        default=("t1", "t1ce", "t2", "flair"), min_length=1, max_length=4
    )
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = None
    patch: tuple[Edge, Edge, Edge] = (128, 128, 128)
    regions: tuple[Literal["wt", "tc", "et"], ...] | None = None
    labels: tuple[Literal[0, 1, 2, 4], ...] | None = None
    file: str | None = None
    network: dict[str, Any] | None = None
    module: str | None = None
    command: tuple[Word, ...] | None = Field(default=None, min_length=1, max_length=64)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if _NAME.fullmatch(name) is None:
            raise ValueError("letters, digits, '.', '_' and '-' are allowed, at most 64")
        return name

    @field_validator("modalities")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a modality stands in it twice")
        return names

    @model_validator(mode="after")
    def _fits_its_lane(self) -> Self:
        if self.lane == "code":
            self._refuse("file", "network", "regions", "labels")
            if (self.module is None) == (self.command is None):
                raise ValueError("lane code: give either `module` or `command`")
            if self.module is not None and not self.module.endswith(".py"):
                raise ValueError("module: a .py file of the package is wanted")
            if self.command is not None and not {"{input}", "{output}"} <= set(self.command):
                raise ValueError("command: the words {input} and {output} must stand in it")
            return self
        self._refuse("module", "command", *(() if self.lane == "weights" else ("network",)))
        if self.file is None or not self.file.endswith(_ENDING[self.lane]):
            raise ValueError(f"file: lane {self.lane} needs the name of a {_ENDING[self.lane]} file")
        if self.lane == "weights" and (self.network is None or "name" not in self.network):
            raise ValueError("network: lane weights needs the architecture's name and settings")
        if (self.regions is None) == (self.labels is None):
            raise ValueError("say what the output channels are: either `regions` or `labels`")
        if self.regions is not None and sorted(self.regions) != sorted(REGIONS):
            raise ValueError(f"regions: each of {', '.join(REGIONS)} once, in the order of the channels")
        if self.labels is not None and sorted(self.labels) != list(LABELS):
            raise ValueError(f"labels: each of {LABELS} once, in the order of the channels")
        return self

    def _refuse(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"{name}: does not belong to lane {self.lane}; remove it")

    @property
    def channels(self) -> int:
        """How many output channels the model has."""
        return len(self.regions or self.labels or ())


def parse_manifest(content: bytes, source: str) -> Manifest:
    """Read a manifest.

    Args:
        content: YAML, or JSON if the source's name says so.
        source: The file, to begin messages with.

    Raises:
        PackageError: Names the key, what is wrong and the nearest key that exists.

    Example:
        >>> text = b"{schema: model-package/1, name: a, team: b, licence: MIT, lane: code, module: m.py}"
        >>> parse_manifest(text, "package.yaml").modalities
        ('t1', 't1ce', 't2', 'flair')
    """
    if len(content) > MOST_BYTES:
        raise PackageError(f"{source}: has {len(content)} bytes, at most {MOST_BYTES} are read")
    try:
        text = content.decode("utf-8")
        values = json.loads(text) if source.endswith(".json") else _yaml(text)
    except (UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise PackageError(f"{source}: cannot be read: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(values, Mapping):
        raise PackageError(f"{source}: a manifest is keys and values, such as `lane: onnx`")
    if values.get("schema") != SCHEMA:
        raise PackageError(
            f"{source}: schema is {values.get('schema')!r:.60}, only {SCHEMA} is read; "
            "`challenge submission new task2` writes one"
        )
    try:
        return Manifest.model_validate(dict(values))
    except ValidationError as error:
        raise PackageError(_first(error, source)) from error


def _yaml(text: str) -> Any:
    depth = 0
    for token in yaml.scan(text):
        # Aliases let a short text stand for a huge value, and deep nesting takes the reader for ever.
        if isinstance(token, (yaml.AliasToken, yaml.AnchorToken)):
            raise ValueError("anchors and aliases are not read; write the value out")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _MOST_DEPTH:
            raise ValueError(f"values are nested more than {_MOST_DEPTH} deep")
    return yaml.safe_load(text)


def _first(error: ValidationError, source: str) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not key:
        return f"{source}: {message}"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, ["schema", *Manifest.model_fields], n=1)
        return f"{source}: {key} is no key{f'; did you mean {near[0]}?' if near else ''}"
    if first["type"] == "missing":
        return f"{source}: {key} is missing"
    return f"{source}: {key}: {message}, got {first['input']!r:.80}"
