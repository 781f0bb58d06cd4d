"""Databases that are busy, full, broken or misnamed."""

import sqlite3
import threading
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from kit.errors import DataError, NetworkError, UsageError
from kit.search.storage import PatientStorage, existing_storage, open_storage


def pragma(storage: PatientStorage, setting: str) -> None:
    """Set what SQLite remembers for a connection, in all that are opened from now on."""

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def _set(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA {setting}")

    storage.engine.dispose()


def test_a_busy_file_is_waited_for_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "studies.db"
    storage = open_storage(f"sqlite:///{file}")
    pragma(storage, "busy_timeout = 10")
    other = sqlite3.connect(file, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(1.0, other.rollback)
    timer.start()
    assert storage.get_all_studies() == []
    timer.join()
    other.close()
    assert caplog.messages == [f"sqlite:///{file}: the database does not answer; waiting for it …"]


def test_a_full_disk_is_not_waited_for(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    storage.patience = 1.0
    study = optuna.create_study(study_name="large", storage=storage)
    # what a full disk answers is answered beyond this size too
    pragma(storage, "max_page_count = 1")
    with pytest.raises(DataError) as raised:
        study.set_user_attr("text", "x" * 100_000)
    assert raised.value.what == f"{storage.label}: database or disk is full."
    assert raised.value.exit_code == 3


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    file.write_text("digits and labels\n" * 1_000)
    with pytest.raises(DataError) as raised:
        open_storage(f"sqlite:///{file}")
    assert raised.value.what == f"sqlite:///{file}: file is not a database."
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://kit:secret@host:abc/kit",
        "postgresql://kit:secret",
        "postgresql://kit:se@cret@host/kit",
        "sqlite:secret",
        "sqlite://secret/studies.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
    ],
)
def test_a_malformed_address_is_refused_and_not_repeated(address: str) -> None:
    for read in (open_storage, existing_storage):
        with pytest.raises(UsageError) as raised:
            read(address)
        assert raised.value.what.startswith("--storage: ")
        assert "cret" not in raised.value.what
        assert raised.value.exit_code == 2


def test_a_file_s_name_may_hold_what_addresses_and_templates_give_a_meaning(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'a {b} c:d.db'}"
    assert open_storage(address).label == existing_storage(address).label
    assert (tmp_path / "a {b} c:d.db").is_file()


@pytest.mark.parametrize("option", ["password", "unknown"])
def test_a_password_among_the_options_is_not_told(option: str) -> None:
    with pytest.raises(NetworkError) as raised:
        open_storage(f"postgresql://kit@127.0.0.1:1/kit?{option}=secret")
    assert raised.value.what.startswith("postgresql+psycopg://kit@127.0.0.1:1/kit: ")
    assert "secret" not in raised.value.what
