"""Where studies are kept: an SQLite file beside the runs, or PostgreSQL for many machines."""

import contextlib
import sqlite3
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

from kit.errors import DataError, NetworkError, UsageError, missing_extra

# A trial whose worker has sent no heartbeat for so long is given to another, at most so often
GRACE_SECONDS, RETRIES = 60, 3
SQLITE_LOCK_SECONDS, CONNECT_SECONDS = 60, 10
# How each scheme of an address is written for SQLAlchemy
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
# What databases say to whoever makes the tables a moment later than another
_MADE_BY_ANOTHER = ("already exists", "duplicate key", "UNIQUE constraint")
_REMEDY = "Give sqlite:///FILE or postgresql://USER@HOST/DATABASE, as SQLAlchemy writes them."


def open_storage(address: str, grace_seconds: int = GRACE_SECONDS) -> RDBStorage:
    """Open the database at `address`, and make Optuna's tables in it where they are missing.

    Args:
        address: `sqlite:///FILE` or `postgresql://…`.
        grace_seconds: a trial whose worker is silent for so long is given to another.

    Raises:
        UsageError: the address is not a database's, or its tables are those of another Optuna.
        NetworkError: the database does not answer.
        DataError: its file cannot be read or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = parse_address(address)
    options: dict[str, Any]
    if url.drivername == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": SQLITE_LOCK_SECONDS}}
    else:
        options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
    tries = 5
    while True:
        try:
            with database_errors(address), warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(
                    # Optuna fills templates in it
                    url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),
                    engine_kwargs=options,
                    heartbeat_interval=max(1, grace_seconds // 6),
                    grace_period=grace_seconds,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RETRIES),
                )
        except ImportError as error:
            raise missing_extra("search", "psycopg") from error
        except RuntimeError as error:
            raise UsageError(
                f"{address_label(address)}: its tables are another Optuna's ({error}).",
                "Name another database, or upgrade it with: optuna storage upgrade",
            ) from error
        except DataError as error:
            # Another process may be making the tables at this moment
            tries -= 1
            if tries and any(sign in error.what for sign in _MADE_BY_ANOTHER):
                time.sleep(1.0)
                continue
            if isinstance(error.__cause__, ProgrammingError):
                raise UsageError(error.what, "Correct --storage.") from error
            raise


@contextlib.contextmanager
def database_errors(address: str) -> Iterator[None]:
    """Turn the errors of a database into those of the kit.

    Raises:
        NetworkError: the connection is lost; waiting may help.
        DataError: the database is broken, full or protected.
    """
    try:
        yield
    except (StorageInternalError, DBAPIError, UnboundLocalError) as error:
        # Optuna's loop ends with an UnboundLocalError when it cannot read a trial that has failed
        cause: BaseException | None = error
        while not isinstance(cause, DBAPIError):
            if cause is None:
                raise
            cause = cause.__cause__ or cause.__context__
        reason = _first_line(cause)
        if _is_lost(cause):
            raise NetworkError(
                f"{address_label(address)}: the database does not answer ({reason}).",
                "Start it, or correct --storage. Finished trials are kept; the same command "
                "continues.",
            ) from error
        raise DataError(
            f"{address_label(address)}: {reason}.",
            "Check the database's disk space and permissions, or give another --storage.",
        ) from error


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).strip() or "no reason given").splitlines()[0]


def _is_lost(error: DBAPIError) -> bool:
    """Whether the connection failed, rather than the statement."""
    if isinstance(error.orig, sqlite3.Error):
        # A file does not go away; but another process can lock it
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    # Class 53: the server's disk or memory is full, or it has too many connections
    if str(getattr(error.orig, "sqlstate", None) or "").startswith("53"):
        return False
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def parse_address(address: str) -> sqlalchemy.URL:
    """Parse a database's address.

    Raises:
        UsageError: it is malformed, or of a kind of database that the kit does not know.
    """
    # What is wrong is not quoted: any part of a mistyped address may be the password
    malformed = UsageError("--storage: not the address of a database.", _REMEDY)
    scheme, separator, _ = address.partition("://")
    if not separator:
        raise malformed
    if scheme not in _DRIVERS:
        raise UsageError(f"--storage: {scheme} is not a database the kit knows.", _REMEDY)
    try:
        url = sqlalchemy.make_url(address).set(drivername=_DRIVERS[scheme])
    except (ValueError, ArgumentError):
        raise malformed from None
    if "@" in (url.host or "") or (scheme == "sqlite" and url.host):
        raise malformed
    if scheme == "sqlite" and url.database in (None, "", ":memory:"):
        raise UsageError("--storage: sqlite needs a file to keep studies in.", _REMEDY)
    return url


def address_label(address: str) -> str:
    """A database's address without its password, and without options, which may hold one."""
    return parse_address(address).set(query={}).render_as_string(hide_password=True)
