"""Where studies are kept: an SQLite file beside the runs, or PostgreSQL for many machines."""

import contextlib
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy import exc
from tenacity import retry, retry_if_exception_message, stop_after_attempt, wait_fixed

from kit.errors import DataError, NetworkError, UsageError, missing_extra

# A trial whose worker has sent no heartbeat for so long is given to another, at most so often
GRACE_SECONDS, RETRIES = 60, 3
SQLITE_LOCK_SECONDS, CONNECT_SECONDS = 60, 10
# What SQLAlchemy reaches each kind of database by
_DRIVERS = {"sqlite": "sqlite"} | dict.fromkeys(("postgresql", "postgres"), "postgresql+psycopg")
# Another process is making the tables at the same moment
_BEGUN = retry_if_exception_message(match=".*(already exists|duplicate key|UNIQUE constraint)")


@retry(retry=_BEGUN, stop=stop_after_attempt(5), wait=wait_fixed(1), reraise=True)
def open_storage(address: str, grace_seconds: int = GRACE_SECONDS) -> RDBStorage:
    """Open the database at `address`, and make Optuna's tables in it where they are missing.

    Raises:
        UsageError: the address is not a database's, or its tables are those of another Optuna.
        NetworkError, DataError: the database does not answer, or its file cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)
    url = parse_address(address)
    arguments = {"connect_timeout": CONNECT_SECONDS}
    if url.drivername == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        arguments = {"timeout": SQLITE_LOCK_SECONDS}
    try:
        with database_errors(address):
            return RDBStorage(
                # Optuna fills templates in it
                url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),
                engine_kwargs={"pool_pre_ping": True, "connect_args": arguments},
                heartbeat_interval=max(1, grace_seconds // 6),
                grace_period=grace_seconds,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RETRIES),
            )
    except ImportError as error:
        raise missing_extra("search", "psycopg") from error
    except RuntimeError as error:
        what = f"{address_label(address)}: another version of Optuna made its tables ({error})."
        remedy = "Name another database, or upgrade it with: optuna storage upgrade"
        raise UsageError(what, remedy) from error


@contextlib.contextmanager
def database_errors(address: str) -> Iterator[None]:
    """Turn the errors of a database into those of the kit.

    Raises:
        NetworkError: the connection is lost; waiting may help.
        DataError, UsageError: the database is broken, full or protected, or asked what it can't do.
    """
    try:
        yield
    # Optuna's loop ends with an UnboundLocalError when it cannot read a trial that has failed
    except (StorageInternalError, exc.DBAPIError, UnboundLocalError, ValueError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, exc.DBAPIError):
            cause = cause.__cause__ or cause.__context__
        # While a trial's heartbeat did not arrive, another worker has begun it
        if cause is None and not str(error).startswith("Cannot tell a "):
            raise
        name = address_label(address)
        reason = (str(cause.orig if cause else error).strip() or "no reason given").splitlines()[0]
        if cause is None or _is_lost(cause):
            what = f"{name}: the database does not answer ({reason})."
            remedy = "Start it, or correct --storage. The same command continues the study."
            raise NetworkError(what, remedy) from error
        if isinstance(cause, exc.ProgrammingError):
            raise UsageError(f"{name}: {reason}.", "Correct --storage.") from error
        remedy = "Check the database's disk space and permissions, or give another --storage."
        raise DataError(f"{name}: {reason}.", remedy) from error


def _is_lost(error: exc.DBAPIError) -> bool:
    # A file does not go away; but another process can lock it
    if isinstance(error.orig, sqlite3.Error):
        return "locked" in str(error.orig)
    # Class 53: the server's disk or memory is full, or it has too many connections
    is_full = str(getattr(error.orig, "sqlstate", "")).startswith("53")
    is_away = isinstance(error, exc.OperationalError | exc.InterfaceError)
    return (is_away or error.connection_invalidated) and not is_full


def parse_address(address: str) -> sqlalchemy.URL:
    """Parse a database's address; a UsageError if it is malformed, or of another kind."""
    with contextlib.suppress(ValueError, KeyError, exc.ArgumentError):
        url = sqlalchemy.make_url(address)
        url = url.set(drivername=_DRIVERS[url.get_backend_name()])
        is_file = url.database not in (None, "", ":memory:") and not url.host
        if "@" not in (url.host or "") and (is_file or url.drivername != "sqlite"):
            return url
    # It is not quoted: any part of a mistyped address may be the password
    raise UsageError(
        "--storage: not the address of an SQLite file or a PostgreSQL database.",
        "Give sqlite:///FILE or postgresql://USER@HOST/DATABASE, as SQLAlchemy writes them.",
    )


def address_label(address: str) -> str:
    """A database's address without its password, and without options, which may hold one."""
    return parse_address(address).set(query={}).render_as_string(hide_password=True)
