"""What stands between the user and a submission, checked thing by thing, each with its remedy."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kit.errors import CompetitionError, DataError, KitError
from kit.kaggle.client import Kaggle
from kit.kaggle.credentials import HOW_TO_GET_ONE, MEND, Credential, find_credentials
from kit.kaggle.download import ROWS, find_files
from kit.kaggle.exchange import ENTER, limit_remedy, one_line

_KERAS_SECONDS = 120
_ASK_KERAS = """
import keras
devices = ", ".join(map(str, keras.distribution.list_devices()))
print(f"Keras {keras.__version__} on {keras.backend.backend()}: {devices}")
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is `ok`, None where that could not be found out.

    `found` says how it is, in one line without secrets, `remedy` what to do about it. A command
    would end with `exit_code` because of it.
    """

    name: str
    ok: bool | None
    found: str
    remedy: str | None = None
    exit_code: int = 0


def diagnose(data: Path) -> list[Check]:
    """Look at credentials, Kaggle, Keras and the data, in that order; nothing is changed.

    Args:
        data: where the competition's files should be.
    """
    found = find_credentials()
    return [*_credentials(found), *_kaggle(found), _keras(), _checked("data", lambda: _data(data))]


def _credentials(found: list[Credential]) -> list[Check]:
    if not found:
        return [Check("credentials", False, "none were found", HOW_TO_GET_ONE, 4)]
    checks = []
    winner = next((credential for credential in found if credential.problem is None), None)
    for credential in found:
        if credential.problem is not None:
            told, code = f"{credential}: {credential.problem}", 0 if winner else 4
            checks.append(Check("credentials", False, told, MEND, code))
        elif credential is winner:
            checks.append(Check("credentials", True, f"{credential} is used"))
        else:
            told = f"{credential} is hidden by the {winner}"
            checks.append(Check("credentials", None, told))
        if _is_readable_by_others(credential.path):
            told, remedy = f"others can read {credential.path}", f"chmod 600 {credential.path}"
            checks.append(Check("credentials", False, told, remedy))
    return checks


def _is_readable_by_others(path: Path | None) -> bool:
    try:
        return path is not None and os.name != "nt" and bool(path.stat().st_mode & 0o044)
    except OSError:
        return False


def _kaggle(found: list[Credential]) -> list[Check]:
    names = ("account", "competition", "rules", "submissions")
    if all(credential.problem is not None for credential in found):
        return [Check(name, None, "not asked without credentials") for name in names]
    try:
        kaggle = Kaggle(found)
        user = one_line(kaggle.whoami())
    except KitError as error:
        return [_failed("account", error), *(Check(name, None, "not asked") for name in names[1:])]
    return [
        Check("account", True, f"Kaggle knows you as {user}"),
        _checked("competition", lambda: _entered(kaggle)),
        _checked("rules", lambda: _rules(kaggle)),
        _checked("submissions", lambda: _left(kaggle)),
    ]


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except KitError as error:
        return _failed(name, error)


def _failed(name: str, error: KitError) -> Check:
    return Check(name, False, error.what, error.remedy, error.exit_code)


def _entered(kaggle: Kaggle) -> str:
    competition = kaggle.check_open()
    if not competition.entered:
        raise CompetitionError("you have not entered it", ENTER)
    closes = competition.deadline
    return "you have entered it" + (f"; it closes at {closes:%Y-%m-%d %H:%M} UTC" if closes else "")


def _rules(kaggle: Kaggle) -> str:
    kaggle.check_rules()
    return "accepted"


def _left(kaggle: Kaggle) -> str:
    limits = kaggle.limits()
    if limits is None:
        return "not known: a newer version of the package kagglesdk can ask for them"
    if limits.left:
        return f"{limits.left} left today, {limits.total} made so far"
    if limits.known:
        raise CompetitionError(f"none left, {limits.today} made today", limit_remedy())
    return "none made so far"


def _keras() -> Check:
    # In a process of its own: backends write to the terminal as they load, and some end it
    asked = [sys.executable, "-c", _ASK_KERAS]
    try:
        done = subprocess.run(
            asked, capture_output=True, text=True, timeout=_KERAS_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(asked, 1, stderr=f"nothing in {_KERAS_SECONDS} seconds")
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        remedy = "Install the backend, or choose another: KERAS_BACKEND=tensorflow"
        return Check("keras", False, f"Keras does not load: {why}", remedy, 1)
    return Check("keras", True, done.stdout.strip().splitlines()[-1])


def _data(folder: Path) -> str:
    try:
        files = find_files(folder)
    except OSError as error:
        what = f"{folder} cannot be read ({error.strerror})"
        raise DataError(what, "See that the folder can be read") from None
    if files is None:
        raise DataError(f"not all in {folder}", "Fetch them with: kit download")
    return f"{folder}: " + ", ".join(f"{file.name} {ROWS[file.name]:,} rows" for file in files)
