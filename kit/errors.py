"""What can go wrong, as one family: each error says what is wrong, where, and the remedy."""


class KitError(Exception):
    """An expected failure: one line of what and where, one line of remedy, an exit code.

    Attributes:
        what: what is wrong and where, in one line.
        remedy: what the user can do about it, in one line.
        exit_code: the status with which a command ends.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class UsageError(KitError, ValueError):
    """Options that do not fit together, or a run that is not there."""

    exit_code = 2


class DataError(KitError, ValueError):
    """Bad data or a bad file."""

    exit_code = 3


class StorageError(DataError):
    """The studies' file is no database, or cannot be written."""


class CredentialsError(KitError, PermissionError):
    """Kaggle credentials that are missing, malformed or refused."""

    exit_code = 4


class CompetitionError(KitError, RuntimeError):
    """Kaggle refused a request or rejected a submission."""

    exit_code = 5


class NetworkError(KitError, ConnectionError):
    """The network failed, or an answer did not come in time."""

    exit_code = 6


class OverlapError(KitError, RuntimeError):
    """A run would be judged on, or submitted for, images that it trained on."""

    exit_code = 7
