"""One fault of a submission file, as a person or a program reads it."""

from dataclasses import dataclass

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a file differs from the required format.

    Attributes:
        line: where, counted from 1; one past the last line where the end of the file is the fault.
        column: `ImageId` or `Label`, or None where the fault is not in one column.
        expected: what should stand there, in words.
        found: what stands there, printable and cut to 40 characters.
        message: what kind of fault it is; the same words for the same kind, to group by.
    """

    line: int
    column: str | None
    expected: str
    found: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.column is None else f"line {self.line}, {self.column}"
        return f"{place}: {self.message} (expected {self.expected}, found {self.found})"


def shown(text: str) -> str:
    """Text from a file, fit for one line of a terminal: escaped, and cut to 40 characters.

    Args:
        text: any text; what is not printable (a NUL, an escape sequence) comes back escaped.
    """
    head = text[:_SHOWN]
    printable = head if head.isprintable() else head.encode("unicode_escape").decode("ascii")
    if len(printable) > _SHOWN or len(text) > _SHOWN:
        printable = f"{printable[: _SHOWN - 1]}…"
    return f"'{printable}'"
