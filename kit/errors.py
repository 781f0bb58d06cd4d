"""What can go wrong, as one family: each error says what is wrong, where, and the remedy."""


class KitError(Exception):
    """An expected failure. Only its subclasses are raised; each has an exit code of its own.

    Attributes:
        what: what is wrong and where, in one line.
        remedy: what the user can do about it, in one line.
        exit_code: the exit code of a command that fails with this error.
    """

    exit_code: int

    def __init__(self, what: str, remedy: str) -> None:
        # Both, because a worker process sends its errors pickled
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n{self.remedy}"


class UsageError(KitError):
    """Options that do not fit together, a run that does not exist, or a missing extra."""

    exit_code = 2


class DataError(KitError):
    """Bad data or a bad file."""

    exit_code = 3


class CredentialsError(KitError):
    """Kaggle credentials that are missing, malformed or refused."""

    exit_code = 4


class CompetitionError(KitError):
    """Kaggle refused a request or rejected a submission."""

    exit_code = 5


class NetworkError(KitError):
    """The network failed, or an answer did not come in time."""

    exit_code = 6


class OverlapError(KitError):
    """A run would be submitted for images that it trained on."""

    exit_code = 7


class TrainingError(KitError):
    """A training or a search failed: it diverged, ran out of memory, or its workers died."""

    exit_code = 8


def missing_extra(extra: str, package: str) -> UsageError:
    """The error for a package that is not installed because it belongs to an extra."""
    return UsageError(
        f"{package} is not installed; it belongs to the extra `{extra}`.",
        f"Install it with: pip install 'digit-kit[{extra}]'",
    )


def visible(text: str) -> str:
    r"""Show text in one line: line ends and what a terminal obeys become `\n` and `\x1b`."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """As `visible`, with one space in place of line ends, tabs and several spaces."""
    return visible(" ".join(text.split()))


def shown(text: str) -> str:
    """Show text from a file: quoted, printable and cut to 40 characters."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
