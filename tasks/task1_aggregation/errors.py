"""Errors of Task 1: what a submission or a setting did wrong, by function and rule."""

from __future__ import annotations

from fl_core.errors import FederationError, InputError


class StrategyError(FederationError):
    """A submission broke a rule; the run ends, naming the function and the rule.

    Args:
        function: ``select_sites``, ``configure_round``, ``aggregate`` or ``load``.
        rule: What was expected and what came instead, in one line.
    """

    def __init__(self, function: str, rule: str) -> None:
        super().__init__(f"{function}: {rule}")
        self.function = function
        self.rule = rule


class SettingsError(InputError):
    """A setting of the experiment that cannot be: says which, why and what would do."""
