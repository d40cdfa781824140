"""Setting one value in a plan's file, so that its comments and its order stay as their author left them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


def set_value(text: str, keys: Sequence[str], value: str | int) -> str:
    r"""Return a YAML text in which the value under these keys is another.

    Args:
        text: A mapping, in YAML.
        keys: From the outermost mapping inwards; what is missing is put in.
        value: Plain text or a number.

    Example:
        >>> set_value("network: {tls: true}  # where\n", ["network", "agg_port"], 7)
        'network: {agg_port: 7, tls: true}  # where\n'
    """
    wanted = _with_value(yaml.safe_load(text) or {}, keys, value)
    edited = _edited(text, keys, value)
    if edited is not None and _means(edited, wanted):
        return edited
    # What no edit of a few characters can do (a section that is null, an alias) is written anew.
    readable = yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True)
    # PyYAML does not read every letter back that it writes unescaped (U+0085).
    return readable if _means(readable, wanted) else yaml.safe_dump(wanted, sort_keys=False)


def _means(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return bool(yaml.safe_load(text) == wanted)
    except yaml.YAMLError:
        return False


def _edited(text: str, keys: Sequence[str], value: str | int) -> str | None:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for depth, key in enumerate(keys):
        if not isinstance(node, yaml.MappingNode) or not node.value:
            return None
        under = next((child for name, child in node.value if name.value == key), None)
        if under is None:
            return _inserted(text, node, keys[depth:], value)
        node = under
    if not isinstance(node, yaml.ScalarNode):
        return None
    return text[: node.start_mark.index] + _scalar(value) + text[node.end_mark.index :]


def _inserted(text: str, mapping: yaml.MappingNode, keys: Sequence[str], value: str | int) -> str:
    if mapping.flow_style:
        at = mapping.start_mark.index + 1
        entry = ": {".join(keys) + f": {_scalar(value)}" + "}" * (len(keys) - 1)
        return f"{text[:at]}{entry}, {text[at:]}"
    first = mapping.value[0][0].start_mark
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    lines[-1] += f" {_scalar(value)}"
    entry = "".join(f"{line}\n{' ' * first.column}" for line in lines)
    return text[: first.index] + entry + text[first.index :]


def _scalar(value: str | int) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()


def _with_value(content: Any, keys: Sequence[str], value: str | int) -> dict[str, Any]:
    changed = dict(content) if isinstance(content, dict) else {}
    first, *rest = keys
    changed[first] = _with_value(changed.get(first), rest, value) if rest else value
    return changed
