"""How long to wait for Kaggle, and how often to ask again."""

import os
from dataclasses import dataclass, fields, replace
from typing import Self

from kit.errors import UsageError

_PREFIX = "KIT_KAGGLE_"


@dataclass(frozen=True)
class Patience:
    """Limits in seconds, and the number of tries; each can be set as `KIT_KAGGLE_<NAME>`.

    Attributes:
        connect: until a connection must stand.
        timeout: silence after which an answer or a transfer has failed.
        attempts: tries of a call before it has failed; a transfer that moves on starts afresh.
        wait: before the second try, doubling from try to try, with as much again by chance.
        longest_wait: between two tries.
        longest_retry_after: what Kaggle may ask for with `Retry-After` and still be waited for.
        settle: how long to look for a submission that may or may not have arrived.
    """

    connect: float = 10.0
    timeout: float = 60.0
    attempts: float = 5
    wait: float = 1.0
    longest_wait: float = 30.0
    longest_retry_after: float = 120.0
    settle: float = 20.0

    @classmethod
    def from_environment(cls) -> Self:
        """The usual patience, but for what the environment sets.

        Raises:
            UsageError: a variable is not a number above 0.
        """
        patience = cls()
        for field in fields(cls):
            variable = f"{_PREFIX}{field.name.upper()}"
            text = os.environ.get(variable)
            if text is None:
                continue
            try:
                number = float(text)
            except ValueError:
                number = 0.0
            if not 0 < number < float("inf"):
                raise UsageError(
                    f"{variable}: expected a number above 0, found {text!r}.",
                    f"Unset {variable}, or give it a number such as {field.default}.",
                )
            patience = replace(patience, **{field.name: number})
        return patience
