"""The run folder: everything about one attempt, and the only record of it.

A run is built in a hidden folder, `.<run>`, which is renamed when it is whole. So a folder with a
run's name is always a complete run. An interrupted run stays hidden and can be resumed.
"""

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kit.config import SETTINGS, TrainConfig
from kit.errors import DataError, UsageError
from kit.files import write_whole

NAME = re.compile(r"\d{8}-\d{6}-.+")
_STAMP = re.compile(r"^\d{8}-\d{6}-")
_MEND = "Put the file back, or move the run's folder away and train again."
CONFIG, METRICS, MODEL, STATE, LOCK = (
    "config.json", "metrics.json", "model.keras", "state.npz", "lock",
)  # fmt: skip
# What a `config.json` is written in. Records without a number are of the first form
FORMAT = 2


@dataclass(frozen=True)
class Run:
    """A complete run.

    Attributes:
        folder: `submissions/<YYYYMMDD-HHMMSS>-<name>`, times in UTC.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, which names the run."""
        return self.folder.name

    @cached_property
    def config(self) -> dict[str, Any]:
        """What `config.json` holds: settings, versions, git commit, data fingerprints, rows."""
        return translate_record(_read_json(self.folder / CONFIG))

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was trained with; a committee has none.

        Raises:
            DataError: `config.json` has no settings.
        """
        return _settings(self.folder, self.config)

    @property
    def format(self) -> int:
        """The form in which the run was written: 1, or `FORMAT`."""
        return int(self.config.get("format", 1))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds: rows, epochs, seconds, accuracies with intervals, overlap."""
        return translate_record(_read_json(self.folder / METRICS))


class Draft:
    """A run being built, in a folder whose hidden name begins with a dot.

    Only one process at a time can hold a draft.

    Attributes:
        folder: `submissions/.<run>`.
    """

    def __init__(self, folder: Path) -> None:
        """Take hold of the draft in `folder`.

        Raises:
            UsageError: another process holds it.
        """
        self.folder = folder
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UsageError(
                f"{folder}: another process is building this run.",
                "Wait until it ends, or stop it first.",
            ) from error

    @property
    def name(self) -> str:
        """The name that the run will have."""
        return self.folder.name.removeprefix(".")

    @property
    def config(self) -> dict[str, Any]:
        """What `config.json` holds."""
        return translate_record(_read_json(self.folder / CONFIG))

    @property
    def settings(self) -> dict[str, Any]:
        """What the run is trained with.

        Raises:
            DataError: `config.json` has no settings.
        """
        return _settings(self.folder, self.config)

    @property
    def state(self) -> Path:
        """Where a training keeps what it needs to go on; it is not part of the run."""
        return self.folder / STATE

    @property
    def is_whole(self) -> bool:
        """Whether only the renaming is missing: metrics are written last."""
        return (self.folder / METRICS).exists()

    def write_json(self, file: str, content: dict[str, Any]) -> None:
        """Write a JSON file of the run, whole or not at all."""
        write_whole(self.folder / file, json.dumps(content, indent=2) + "\n")

    def finish(self, metrics: dict[str, Any] | None = None) -> Run:
        """Write `metrics.json` last, then give the folder its run's name."""
        if metrics is not None:
            self.write_json(METRICS, metrics)
        self.state.unlink(missing_ok=True)
        run = Run(self.folder.with_name(self.name))
        self.release()
        (self.folder / LOCK).unlink(missing_ok=True)
        self.folder.rename(run.folder)
        return run

    def release(self) -> None:
        """Let go of the draft, so that another process can resume it."""
        self._lock.release()


def begin_run(submissions: Path, name: str, config: dict[str, Any]) -> Draft:
    """Begin a run named after this second and `name`, with its `config.json` in place.

    If another run has that second, the next free one is taken, so names sort in the order in which
    runs began.

    Raises:
        OSError: the folder cannot be written.
    """
    submissions.mkdir(parents=True, exist_ok=True)
    second = datetime.now(UTC)
    while True:
        stamp = second.strftime("%Y%m%d-%H%M%S")
        second += timedelta(seconds=1)
        run, hidden = submissions / f"{stamp}-{name}", submissions / f".{stamp}-{name}"
        if any(submissions.glob(f"{stamp}-*")) or any(submissions.glob(f".{stamp}-*")):
            continue
        try:
            hidden.mkdir()
        except FileExistsError:
            continue
        # Another process may have just finished a run with that name
        if run.exists():
            hidden.rmdir()
            continue
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
    for parent in dict.fromkeys([folder.parent, submissions]):
        if _is_run(parent / name):
            return Run(parent / name)
        hidden = parent / f".{name}"
        if _is_draft(hidden):
            draft = Draft(hidden)
            return draft.finish() if draft.is_whole else draft
    waiting = [path.name[1:] for path in sorted(submissions.glob(".*")) if _is_draft(path)]
    raise UsageError(
        f"{run}: no such run in {submissions}, neither complete nor interrupted.",
        f"Runs that can be resumed: {', '.join(waiting) or 'none'}.",
    )


def list_runs(submissions: Path) -> list[Run]:
    """List the complete runs, newest first."""
    if not submissions.is_dir():
        return []
    return [Run(path) for path in sorted(submissions.iterdir(), reverse=True) if _is_run(path)]


def find_run(submissions: Path, run: str | None = None) -> Run:
    """Find a complete run by its folder or name; without one, the newest.

    A committee counts as newer than the members that were trained for it.

    Raises:
        UsageError: there is no such run.
    """
    if run is None:
        runs = list_runs(submissions)
        if runs:
            return _committee_of(runs[0], runs) or runs[0]
        raise UsageError(f"{submissions}: no run there yet.", "Make one with: kit train")
    for folder in (_named(Path(run)), _named(submissions / run)):
        if _is_run(folder):
            return Run(folder)
    known = ", ".join(known.name for known in list_runs(submissions)[:5])
    raise UsageError(f"{run}: no such run in {submissions}.", f"Newest runs: {known or 'none'}.")


def members_of(committee: Run) -> list[Run]:
    """Find the runs that a committee was made of, beside it; none for another run.

    Raises:
        DataError: a member is not there.
    """
    members = []
    for name in committee.config.get("committee", []):
        member = Run(committee.folder.parent / str(name))
        if not _is_run(member.folder):
            raise DataError(
                f"{committee.name}: its member {name} is not in {committee.folder.parent}.",
                "Put the member's folder back beside the committee's.",
            )
        members.append(member)
    return members


def translate_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a `config.json` or `metrics.json` of any form says, in today's words.

    The first form called the setting `split` `validation`, and the figure `keras_test` `judged`.
    A setting that is newer than the record gets its default, whatever its preset says today.
    """
    new = dict(record)
    if isinstance(settings := new.get("settings"), dict):
        new["settings"] = _translate_settings(settings)
    if isinstance(plan := new.get("plan"), list):
        new["plan"] = [_translate_settings(each) for each in plan if isinstance(each, dict)]
    if "judged" in new:
        new["keras_test"] = new.pop("judged")
    if isinstance(members := new.get("members"), list):
        new["members"] = [translate_record(member) for member in members]
    return new


def _translate_settings(settings: dict[str, Any]) -> dict[str, Any]:
    fields = TrainConfig.model_fields
    defaults = {name: field.default for name, field in fields.items() if not field.is_required()}
    return {**defaults, **_renamed(settings)}


def _renamed(settings: dict[str, Any]) -> dict[str, Any]:
    return {"split" if name == "validation" else name: v for name, v in settings.items()}


def _settings(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    settings = config.get("settings")
    if not isinstance(settings, dict):
        raise DataError(f"{folder / CONFIG}: has no settings.", _MEND)
    return settings


def _committee_of(member: Run, runs: list[Run]) -> Run | None:
    # Only runs that are named like the members, without their number, are read
    name = _STAMP.sub("", member.name).rpartition("-")[0]
    return next(
        (
            run
            for run in runs
            if _STAMP.sub("", run.name) == name and member.name in run.config.get("committee", ())
        ),
        None,
    )


def _named(folder: Path) -> Path:
    # `.` or a link stands for a folder whose own name is a run's
    return folder if NAME.fullmatch(folder.name.removeprefix(".")) else folder.resolve()


def _is_run(folder: Path) -> bool:
    return bool(NAME.fullmatch(folder.name)) and (folder / METRICS).is_file()


def _is_draft(folder: Path) -> bool:
    shown = folder.name.removeprefix(".")
    return shown != folder.name and bool(NAME.fullmatch(shown)) and (folder / CONFIG).is_file()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.", _MEND) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}).", _MEND) from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object.", _MEND)
    return content


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings from a JSON file: an object of settings, or a run's `config.json`.

    Raises:
        UsageError: the file is not a JSON object, or is a committee's record.
        OSError: the file cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON ({error}).", SETTINGS) from error
    if isinstance(content, dict) and "committee" in content:
        raise UsageError(
            f"{path}: the record of a committee, which has no settings of its own.",
            "Name the config.json of one of its members.",
        )
    record = translate_record(content) if isinstance(content, dict) else {}
    settings = record.get("settings", _renamed(record))
    if not isinstance(content, dict) or not isinstance(settings, dict):
        raise UsageError(f"{path}: expected a JSON object of settings.", SETTINGS)
    return settings
