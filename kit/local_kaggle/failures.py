"""Failures that a local Kaggle is told to show."""

import threading
from dataclasses import dataclass, field

ANY_CALL = "*"


@dataclass(eq=False)
class Failure:
    """What goes wrong with a call, and how often.

    Attributes:
        call: the name of the call, such as `CreateSubmission`, `Download` or `Upload`; `*` for any.
        times: how often it still goes wrong.
        skip: how many such calls still go well before.
        status: answer with this HTTP status.
        message: the words that go with the status.
        retry_after: seconds for the header `Retry-After`, or None to leave it out.
        html: answer with a page of HTML instead of JSON.
        stall: say nothing for so many seconds, then close the connection.
        reset_after: reset the connection after so many bytes of the body that is transferred.
        cut_after: promise the whole answer, send so many bytes of its body, then close.
        done: whether the call takes effect all the same, so that only its answer is lost.
        reached: set when an answer fails to come, by when a call that is `done` has taken effect.
    """

    call: str
    times: int = 1
    skip: int = 0
    status: int | None = None
    message: str = "Told to fail"
    retry_after: float | None = None
    html: bool = False
    stall: float = 0.0
    reset_after: int | None = None
    cut_after: int | None = None
    done: bool = False
    reached: threading.Event = field(default_factory=threading.Event)


class FailurePlan:
    """The failures that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._planned: list[Failure] = []
        self._lock = threading.Lock()

    def add(self, failure: Failure) -> Failure:
        """Plan a failure, and return it."""
        with self._lock:
            self._planned.append(failure)
        return failure

    def clear(self) -> None:
        """Forget all that were planned."""
        with self._lock:
            self._planned.clear()

    def take(self, call: str) -> Failure | None:
        """Take the failure that this call is to show, or None if it is to go well."""
        with self._lock:
            for failure in self._planned:
                if failure.call not in (call, ANY_CALL):
                    continue
                if failure.skip:
                    failure.skip -= 1
                    continue
                failure.times -= 1
                if failure.times <= 0:
                    self._planned.remove(failure)
                return failure
        return None
