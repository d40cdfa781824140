"""The engine's errors: each message says what, where and how to mend it."""

from __future__ import annotations

from typing import ClassVar


class FederationError(Exception):
    """Work that failed; the command line exits with 1."""

    exit_code: ClassVar[int] = 1


class InputError(FederationError):
    """The call or one of its inputs was wrong; the command line exits with 2."""

    exit_code: ClassVar[int] = 2


class PlanError(InputError):
    """A plan with an unknown key, a wrong type or a template that cannot be reached."""


class TensorError(InputError):
    """Tensors whose names, shapes, dtypes or values are not what was agreed on."""


class WorkerError(FederationError):
    """A worker process died or answered with something that is no answer."""
