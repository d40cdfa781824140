"""What is wrong with a model package."""

from __future__ import annotations

from fl_core.errors import InputError


class PackageError(InputError):
    """A package that cannot be taken: says which file or key, and how to mend it."""
