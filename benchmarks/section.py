"""What a section of the results is."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

# What one round measured, as JSON keeps it
Round = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What was asked of the benchmarks.

    Attributes:
        quick: measure something tiny instead, to see whether the programs work.
        ladder: the trainings of the race to an accuracy, each as `rung_config` reads it.
    """

    quick: bool
    ladder: tuple[str, ...]


class Report(NamedTuple):
    """A section's text in Markdown, and the lines of it that belong at the top of the page."""

    text: str
    headlines: tuple[str, ...] = ()


class Section(Protocol):
    """A module that measures one subject."""

    TITLE: str

    def measure(self, request: Request) -> Round:
        """Measure each contender once, one after the other."""

    def report(self, rounds: list[Round]) -> Report:
        """Word what the rounds gave; what was measured in one round is compared within it."""
