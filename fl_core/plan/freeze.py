"""Freezing a plan: one SHA-256 over the plan, the workspace's code and the initial weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from fl_core.plan.schema import Plan


def canonical(plan: Plan) -> bytes:
    """Return the plan as canonical JSON: sorted keys, no blanks, UTF-8.

    Names of ``defaults`` files are left out: what they contained is in the plan already.
    """
    plain = plan.model_dump(mode="json")
    for section in plain.values():
        section.pop("defaults", None)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def plan_hash(plan: Plan, code: Mapping[str, bytes], weights: str) -> str:
    """Return ``sha256:...`` over everything that all parties must share.

    Args:
        plan: The plan.
        code: The workspace's files by relative path.
        weights: Digest of the initial weights.

    Example:
        >>> one = plan_hash(Plan(), {"src/model.py": b"x = 1"}, "sha256:00")
        >>> one == plan_hash(Plan(), {"src/model.py": b"x = 2"}, "sha256:00")
        False
    """
    state = hashlib.sha256()
    parts = [canonical(plan), weights.encode()]
    for name in sorted(code):
        parts += [name.encode(), code[name]]
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return f"sha256:{state.hexdigest()}"
