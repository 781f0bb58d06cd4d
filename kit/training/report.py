"""How a training tells of itself."""

from typing import Protocol


class Reporter(Protocol):
    """Whoever watches a training: a progress bar, a log, or nobody."""

    def stage(self, name: str) -> None:
        """Hear that something without a measured length begins."""

    def begin_committee(self, run: str, members: int) -> None:
        """Hear a committee's name, by which it can be resumed, and how many runs will make it."""

    def begin_member(self, number: int) -> None:
        """Hear which of a committee's runs comes next, 1 for the first."""

    def begin(self, run: str, epochs: int) -> None:
        """Hear the run's name, by which it can be resumed, and how many epochs it will train."""

    def progress(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        """Hear that `share`, in [0, 1], of an epoch (1 for the first) is done, with its figures."""
