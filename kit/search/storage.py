"""Where studies are kept: SQLite beside the runs, or PostgreSQL for many machines."""

import contextlib
import functools
import logging
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from kit.errors import DataError, NetworkError, UsageError

P = ParamSpec("P")
R = TypeVar("R")

# Says that a database is away, on stderr unless somebody configures it
LOGGER = logging.getLogger(__name__)
FILE = "studies.db"
# A trial whose worker has not been heard of for so long is given to another
HEARTBEAT_SECONDS, GRACE_SECONDS = 10, 60
# How long a database may be away before a worker gives up
PATIENCE_SECONDS = 30 * 60.0
SQLITE_LOCK_SECONDS = 60.0
# How each scheme of an address is written for SQLAlchemy
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_REMEDY = "Give sqlite:///FILE or postgresql://USER@HOST/DATABASE, as SQLAlchemy writes them."


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, StorageInternalError) else error


def _is_lost(error: BaseException) -> bool:
    """Whether an error is the connection's, not the statement's."""
    cause = _cause(error)
    if not isinstance(cause, DBAPIError):
        return False
    if isinstance(cause.orig, sqlite3.Error):
        # A file is always at hand; only another process can keep it for a while
        code = getattr(cause.orig, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return cause.connection_invalidated or isinstance(
        cause, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError
    )


def _file_error(label: str, error: BaseException) -> DataError | None:
    """Word what SQLite says of its file or the disk, which waiting does not mend."""
    original = getattr(_cause(error), "orig", None)
    # Errors of statements have classes of their own
    if isinstance(original, sqlite3.OperationalError):
        is_of_file = not _is_lost(error)
    else:
        is_of_file = type(original) is sqlite3.DatabaseError
    if not is_of_file:
        return None
    return DataError(
        f"{label}: {original}.",
        "Check the disk's space and the file's permissions, or name another with --storage.",
    )


class PatientStorage(RDBStorage):
    """Optuna's database storage, which waits while the database is away and then goes on.

    Attributes:
        patience: how many seconds it waits before it gives up.
        back_since: when the database last came back, on `time.monotonic`'s clock; of a server it is
            not known whether it was away, so that this is at first when it was opened.
    """

    patience = PATIENCE_SECONDS
    back_since = float("-inf")

    @property
    def label(self) -> str:
        """The database's address, without its password."""
        return _label(self.engine.url)

    @property
    def is_settled(self) -> bool:
        """Whether the workers had time for a heartbeat since the database last came back."""
        return time.monotonic() - self.back_since > (self.grace_period or 0)

    def wait_out(self, call: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
        """Call, and call again as long as the connection is lost.

        Raises:
            NetworkError: the database did not come back in time.
            DataError: its file cannot be read or written.
        """
        try:
            return call(*given, **named)
        except (StorageInternalError, DBAPIError) as error:
            if not _is_lost(error):
                raise (_file_error(self.label, error) or error) from error.__cause__
        LOGGER.warning("%s: the database does not answer; waiting for it …", self.label)
        retrying = _retrying(self.patience)
        try:
            result = retrying(call, *given, **named)
        except (StorageInternalError, DBAPIError) as error:
            if not _is_lost(error):
                raise (_file_error(self.label, error) or error) from error.__cause__
            raise _unreachable(self.label, error) from error
        self.back_since = time.monotonic()
        return result

    def exclusive(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Let one process at a time, of all that use the database, do what is called `name`.

        Raises:
            NetworkError: the database did not come back in time.
            OSError: the lock beside an SQLite file cannot be written.
        """
        return _locked(self.engine, lambda: self.wait_out(_advisory_lock, self.engine, name))


def _retrying(seconds: float) -> Retrying:
    return Retrying(
        retry=retry_if_exception(_is_lost),
        wait=wait_random_exponential(multiplier=0.2, max=5.0),
        stop=stop_after_delay(seconds),
        reraise=True,
    )


def _patient(name: str) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    @functools.wraps(method)
    def waiting(self: PatientStorage, *given: Any, **named: Any) -> Any:
        return self.wait_out(method, self, *given, **named)

    return waiting


# All that touch the database; Optuna's cache calls those with an underscore
for _name in (
    "_create_new_trial", "_get_best_trial_id", "_get_stale_trial_ids", "_get_trials",
    "_set_trial_param", "create_new_study", "get_all_studies", "get_study_directions",
    "get_study_id_from_name", "get_study_name_from_id", "get_study_system_attrs",
    "get_study_user_attrs", "get_trial", "get_trial_id_from_study_id_trial_number",
    "get_trial_param", "get_trial_system_attrs", "get_trial_user_attrs", "record_heartbeat",
    "set_study_system_attr", "set_study_user_attr", "set_trial_intermediate_value",
    "set_trial_state_values", "set_trial_system_attr", "set_trial_user_attr",
):  # fmt: skip
    setattr(PatientStorage, _name, _patient(_name))


def default_storage(submissions: Path) -> str:
    """Name the SQLite file that is used unless somebody says otherwise."""
    return f"sqlite:///{submissions / FILE}"


def existing_storage(address: str) -> PatientStorage:
    """Open the database at `address` to read what is there.

    Raises:
        UsageError: the address is no database's, or of a file that does not exist.
        NetworkError: the database does not answer.
        DataError: its file cannot be read or written.
    """
    url = _parse(address)
    if url.drivername == "sqlite" and not Path(url.database or "").is_file():
        raise UsageError(
            f"{url.database}: no studies there yet.",
            "Begin one with kit tune or kit experiment, or name another with --storage.",
        )
    return open_storage(address)


def open_storage(
    address: str,
    *,
    heartbeat_seconds: int = HEARTBEAT_SECONDS,
    grace_seconds: int = GRACE_SECONDS,
    patience: float = 0.0,
) -> PatientStorage:
    """Open the database at `address`, and make Optuna's tables in it where they are missing.

    Args:
        address: `sqlite:///FILE` or `postgresql://…`.
        heartbeat_seconds: how often a worker says that its trial is alive.
        grace_seconds: after how long a silence its trial is given to another.
        patience: how many seconds to wait for a database that does not answer.

    Raises:
        UsageError: the address is no such database's, or the tables are another Optuna's.
        NetworkError: the database does not answer.
        DataError: its file cannot be read or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = _parse(address)
    options: dict[str, Any]
    if url.drivername == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": SQLITE_LOCK_SECONDS}}
    else:
        options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    try:
        return _retrying(patience)(_connect, url, options, heartbeat_seconds, grace_seconds)
    except (StorageInternalError, DBAPIError) as error:
        label = _label(url)
        raise (_file_error(label, error) or _unreachable(label, error)) from error
    except RuntimeError as error:
        raise UsageError(
            f"{_label(url)}: its tables are another Optuna's ({error}).",
            "Name another database, or upgrade it with: optuna storage upgrade",
        ) from error


def _parse(address: str) -> sqlalchemy.URL:
    scheme = address.split(":")[0]
    if scheme not in _DRIVERS:
        raise UsageError(f"{scheme}: not a database the kit knows.", _REMEDY)
    # What is wrong is not quoted: of a mistyped address, any part may be the password
    malformed = UsageError("--storage: not an address of a database.", _REMEDY)
    try:
        url = sqlalchemy.make_url(address).set(drivername=_DRIVERS[scheme])
    except (ValueError, ArgumentError):
        raise malformed from None
    if "@" in (url.host or "") or (scheme == "sqlite" and url.host):
        raise malformed
    if scheme == "sqlite" and url.database in (None, "", ":memory:"):
        raise UsageError("--storage: sqlite without a file, where no study is kept.", _REMEDY)
    return url


def _label(url: sqlalchemy.URL) -> str:
    # A password may stand among the options too
    return url.set(query={}).render_as_string(hide_password=True)


def _connect(
    url: sqlalchemy.URL, options: dict[str, Any], heartbeat_seconds: int, grace_seconds: int
) -> PatientStorage:
    first = sqlalchemy.create_engine(url, **options)
    # Two that make the tables at once get in each other's way
    with _locked(first, lambda: _advisory_lock(first, "tables")), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = PatientStorage(
            # Optuna fills templates in it
            url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),
            engine_kwargs=options,
            heartbeat_interval=heartbeat_seconds,
            grace_period=grace_seconds,
        )
    first.dispose()
    if storage.engine.dialect.name == "sqlite":
        _lock_early(storage.engine)
    else:
        storage.back_since = time.monotonic()
    return storage


def _lock_early(engine: sqlalchemy.Engine) -> None:
    """Let SQLite lock before it reads what it will write, or two workers claim one trial."""

    @sqlalchemy.event.listens_for(engine, "connect")
    def _no_implicit_begin(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextlib.contextmanager
def _locked(engine: sqlalchemy.Engine, lock: Callable[[], sqlalchemy.Connection]) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with FileLock(f"{engine.url.database}.lock"):
            yield
        return
    connection = lock()
    try:
        yield
    finally:
        # The lock ends with its transaction; a lost connection has ended that already
        with contextlib.suppress(DBAPIError):
            connection.close()


def _advisory_lock(engine: sqlalchemy.Engine, name: str) -> sqlalchemy.Connection:
    """Wait for PostgreSQL's lock of that name, which is held as long as the connection is open."""
    connection = engine.connect()
    try:
        connection.execute(
            sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name}
        )
    except BaseException:
        with contextlib.suppress(DBAPIError):
            connection.close()
        raise
    return connection


def _unreachable(label: str, error: BaseException) -> NetworkError:
    reason = str(getattr(error, "orig", None) or error.__cause__ or error).strip().splitlines()
    return NetworkError(
        f"{label}: the database does not answer ({reason[0] if reason else 'no reason given'}).",
        "Start it, or correct --storage; what was finished is kept, and the command goes on.",
    )
