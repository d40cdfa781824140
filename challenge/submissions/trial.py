"""What a trial of a submission found out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """How a submission fared on toy data.

    Attributes:
        lines: What was done and came out, for the reader.
        problems: What is wrong and how to mend it, a line each; none where it can be handed in.
        output: The last of what the submission printed; the data was no patient's.
    """

    lines: tuple[str, ...]
    problems: tuple[str, ...] = ()
    output: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it can be handed in."""
        return not self.problems
