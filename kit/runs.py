"""The run folder: everything about one attempt, and the only record of it.

A run is built in a hidden folder, `.<run>`, which is renamed when it is whole. So a folder with a
run's name is always a complete run. An interrupted run stays hidden and can be resumed.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from kit.config import TrainConfig, make_config
from kit.errors import DataError, KitError, UsageError
from kit.files import write_whole
from kit.metrics import Accuracy

if TYPE_CHECKING:
    import pandas as pd

NAME = re.compile(r"\d{8}-\d{6}-.+")
_STAMP_LENGTH = len("20260131-120000-")
_MEND = "Put the file back, or move the run's folder away and train again."
CONFIG, METRICS, MODEL = "config.json", "metrics.json", "model.keras"
HISTORY = "history.csv"
# What a `config.json` is written in. Records without a number are of the first form
FORMAT = 2


class _Digits(BaseModel):
    origin: str = ""
    rows: int = 0
    fingerprint: str = ""


class _Fields(BaseModel):
    # Of config.json
    settings: dict[str, Any] = {}
    backend: str = ""
    versions: dict[str, str] = {}
    data: dict[str, _Digits | None] = {}
    rows: dict[str, int] = {}
    committee: list[str] = []
    plan: list[dict[str, Any]] = []
    # Of metrics.json
    source: str | None = None
    preset: str | None = None
    epochs: int = 0
    seconds: dict[str, float] = {}
    validation: Accuracy = Accuracy.from_counts(0, 0)
    keras_test: Accuracy | None = None
    overlap: dict[str, dict[str, int]] = {}
    submission: str | None = None
    members: list[dict[str, Any]] = []


class _Record(dict[str, Any]):
    """An object in a run's JSON file. Where it lacks what is asked for, the file is damaged."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        super().__init__(content)
        self._path = path

    def __missing__(self, key: str) -> NoReturn:
        raise DataError(f"{self._path}: has no {key}.", _MEND)


@dataclass(frozen=True, init=False)
class Run:
    """A complete run.

    >>> kit.Run("submissions/20260131-120000-quick").name
    '20260131-120000-quick'

    Attributes:
        folder: `submissions/<YYYYMMDD-HHMMSS>-<name>`, times in UTC.
    """

    folder: Path

    def __init__(self, folder: Path | str) -> None:
        object.__setattr__(self, "folder", Path(folder))

    @property
    def name(self) -> str:
        """The folder's name, which names the run."""
        return self.folder.name

    @cached_property
    def config(self) -> dict[str, Any]:
        """What `config.json` holds: settings, versions, git commit, data fingerprints, rows.

        Raises:
            DataError: it is damaged, or lacks what is asked for.
        """
        record = self._read(CONFIG)
        try:
            if "settings" in record:
                record["settings"] = _checked(record["settings"])
            if "plan" in record:
                record["plan"] = [_checked(each) for each in record["plan"]]
        except UsageError as error:
            raise DataError(f"{self.folder / CONFIG}: {error.what}", _MEND) from error
        return record

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was trained with; a committee has none."""
        settings: dict[str, Any] = self.config["settings"]
        return settings

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds: rows, epochs, seconds, accuracies with intervals, overlap.

        Raises:
            DataError: it is damaged, or lacks what is asked for.
        """
        return self._read(METRICS)

    @property
    def history(self) -> "pd.DataFrame":
        """What `history.csv` holds: the figures of each epoch, as a training's `Epoch` has them.

        Raises:
            DataError: it is missing or damaged. A committee has none, but its members do.
        """
        import pandas as pd

        path = self.folder / HISTORY
        try:
            return pd.read_csv(path)
        except (OSError, ValueError) as error:
            members = ", ".join(self.config.get("committee", []))
            remedy = f"This committee's members have one each: {members}" if members else _MEND
            raise DataError(f"{path}: cannot be read ({error}).", remedy) from error

    def _repr_html_(self) -> str:
        from kit.html import render

        members = self.config.get("committee", [])
        return render("run", run=self, members=members, metrics=self.metrics)

    def _read(self, file: str) -> dict[str, Any]:
        path, project = self.folder / file, self.folder.parent.absolute().parent

        def read_object(content: dict[str, Any]) -> _Record:
            # The first form called `keras_test` `judged`
            content = _renamed(content, "judged", "keras_test")
            return _Record(path, _with_paths(content, lambda given: str(project / given)))

        record = _read_json(path, DataError, _MEND, read_object)
        try:
            # As JSON, where a list may stand for a tuple. Names that are no text get other signs
            text = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
            _Fields.model_validate_json(text, strict=True)
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"]))
            raise DataError(f"{path}: {field} is not as the kit writes it.", _MEND) from error
        return record


class Draft:
    """A run being built. Only one process at a time can hold it.

    Attributes:
        folder: `submissions/.<run>`.
        name: the name that the run will have.
        state: where a training keeps what it needs to go on; it is not part of the run.

    Raises:
        UsageError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name.removeprefix(".")
        self.state = folder / "state.npz"
        self._lock = FileLock(folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            what = f"{folder}: another process is building this run."
            raise UsageError(what, "Wait until it ends, or stop it first.") from error

    @property
    def config(self) -> dict[str, Any]:
        """What `config.json` holds now."""
        return Run(self.folder).config

    def write_json(self, file: str, content: dict[str, Any]) -> None:
        """Write a JSON file of the run, whole or not at all."""
        project = Path(os.path.abspath(self.folder.parent)).parent  # noqa: PTH100

        def relative(path: str) -> str:
            # A project that is moved keeps what is in it
            full = Path(os.path.abspath(path))  # noqa: PTH100
            return str(full.relative_to(project) if full.is_relative_to(project) else full)

        plain = json.dumps(content)
        content = json.loads(plain, object_hook=lambda each: _with_paths(each, relative))
        write_whole(self.folder / file, json.dumps(content, indent=2) + "\n")

    def finish(self, metrics: dict[str, Any] | None = None) -> Run:
        """Write `metrics.json` last, then give the folder its run's name."""
        if metrics is not None:
            self.write_json(METRICS, metrics)
        self.state.unlink(missing_ok=True)
        self.release()
        (self.folder / "lock").unlink(missing_ok=True)
        return Run(self.folder.rename(self.folder.with_name(self.name)))

    def release(self) -> None:
        """Let go of the draft, so that another process can resume it."""
        self._lock.release()

    def discard(self) -> None:
        """Remove the draft, of which nothing is of use."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def begin_run(submissions: Path, name: str, config: dict[str, Any]) -> Draft:
    """Begin a run named after this second and `name`, with its `config.json` in place.

    If another run has that second, the next free one is taken, so names sort in the order in which
    runs began.
    """
    submissions.mkdir(parents=True, exist_ok=True)
    second = datetime.now(UTC)
    while True:
        stamp = f"{second:%Y%m%d-%H%M%S}"
        hidden = submissions / f".{stamp}-{name}"
        with suppress(FileExistsError):
            hidden.mkdir()
            if set(submissions.glob(f"*{stamp}-*")) == {hidden}:
                break
            hidden.rmdir()
        second += timedelta(seconds=1)
    try:
        draft = Draft(hidden)
        draft.write_json(CONFIG, config)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return draft


def find_draft(submissions: Path, run: str) -> Draft | Run:
    """Find an interrupted run by its name or folder: its draft, or the run if it is complete.

    Raises:
        UsageError: there is no such run, or another process holds it.
    """
    folder = _named(Path(run))
    name = folder.name.removeprefix(".")
    for parent in (folder.parent, submissions):
        if _is_run(parent / name):
            return Run(parent / name)
        if _is_draft(hidden := parent / f".{name}"):
            draft = Draft(hidden)
            # Metrics are written last: only the renaming is missing
            return draft.finish() if (hidden / METRICS).exists() else draft
    raise UsageError(
        f"{run}: no such run in {submissions}, neither complete nor interrupted.",
        f"Runs that can be resumed: {', '.join(list_drafts(submissions)) or 'none'}.",
    )


def list_drafts(submissions: Path) -> list[str]:
    """List the names of the interrupted runs, which no process is working on, oldest first."""
    names = []
    for folder in filter(_is_draft, sorted(submissions.glob(".*"))):
        with suppress(UsageError):
            Draft(folder).release()
            names.append(folder.name[1:])
    return names


def list_runs(submissions: Path) -> list[Run]:
    """List the complete runs, newest first."""
    return [Run(path) for path in sorted(submissions.glob("*"), reverse=True) if _is_run(path)]


def find_run(submissions: Path, run: str | None = None) -> Run:
    """Find a complete run by its folder or name; without one, the newest.

    A committee counts as newer than the members that were trained for it.

    Raises:
        UsageError: there is no such run.
    """
    runs = list_runs(submissions)
    if run is None and not runs:
        raise UsageError(f"{submissions}: no run there yet.", "Make one with: kit train")
    if run is None:
        # The committee is named like its members, without their number. Only such runs are read
        newest, name = runs[0], runs[0].name[_STAMP_LENGTH:].rpartition("-")[0]
        named = (each for each in runs if each.name[_STAMP_LENGTH:] == name)
        made = (each for each in named if newest.name in each.config.get("committee", ()))
        return next(made, newest)
    for folder in (_named(Path(run)), _named(submissions / run)):
        if _is_run(folder):
            return Run(folder)
    known = ", ".join(run.name for run in runs[:5]) or "none"
    raise UsageError(f"{run}: no such run in {submissions}.", f"Newest runs: {known}.")


def members_of(committee: Run) -> list[Run]:
    """Find the runs that a committee was made of, beside it; none for another run.

    Raises:
        DataError: a member is not there.
    """
    beside = committee.folder.parent
    members = [Run(beside / str(name)) for name in committee.config.get("committee", [])]
    for member in members:
        if not _is_run(member.folder):
            what = f"{committee.name}: its member {member.name} is not in {beside}."
            raise DataError(what, "Put the member's folder back beside the committee's.")
    return members


def translate_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a record of any form in today's words.

    The first form called `split` `validation`. A setting that is newer than the record gets its
    default, whatever its preset says today.
    """
    fields = TrainConfig.model_fields.items()
    defaults = {name: field.default for name, field in fields if not field.is_required()}
    return defaults | _renamed(settings, "validation", "split")


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    return make_config(translate_settings(settings)).model_dump(mode="json")


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings from a JSON file: an object of settings, or a run's `config.json`.

    Raises:
        UsageError: the file cannot be read, is not a JSON object, or is a committee's record.
        DataError: the run's `config.json` is damaged.
    """
    folder, remedy = path.absolute().parent, "Name a JSON file of settings, such as a config.json."
    is_of_run = path.name == CONFIG and NAME.fullmatch(folder.name.removeprefix("."))
    record = Run(folder).config if is_of_run else _read_json(path, UsageError, remedy)
    if "committee" in record:
        what = f"{path}: the record of a committee, which has no settings of its own."
        raise UsageError(what, "Name the config.json of one of its members.")
    settings = record.get("settings", record)
    if not isinstance(settings, dict):
        raise UsageError(f"{path}: expected a JSON object of settings.", remedy)
    if "settings" in record:
        return translate_settings(settings)
    return _renamed(settings, "validation", "split")


def _renamed(record: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in record.items()}


def _with_paths(record: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Change the path in an object: where settings have their `data`, and digits their `origin`."""
    return {
        key: change(value) if key in ("data", "origin") and isinstance(value, str) else value
        for key, value in record.items()
    }


def _named(folder: Path) -> Path:
    # `.` or a link stands for a folder whose own name is a run's
    return folder if NAME.fullmatch(folder.name.removeprefix(".")) else folder.resolve()


def _is_run(folder: Path) -> bool:
    return bool(NAME.fullmatch(folder.name)) and (folder / METRICS).is_file()


def _is_draft(folder: Path) -> bool:
    return bool(NAME.fullmatch(folder.name[1:])) and (folder / CONFIG).is_file()


def _read_json(path: Path, wrong: type[KitError], remedy: str, hook: Any = None) -> dict[str, Any]:
    try:
        # Python would take NaN and Infinity, which are no JSON; int refuses them
        content = json.loads(path.read_bytes(), object_hook=hook, parse_constant=int)
    except (OSError, ValueError, RecursionError) as error:
        raise wrong(f"{path}: cannot be read as JSON ({error}).", remedy) from error
    if not isinstance(content, dict):
        raise wrong(f"{path}: expected a JSON object.", remedy)
    return content
