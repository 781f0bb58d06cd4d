"""What stands between the user and a submission, checked thing by thing, each with its remedy."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kit.errors import KitError
from kit.kaggle.client import Kaggle
from kit.kaggle.credentials import HOW_TO_GET_ONE, MEND, Credential, find_credentials
from kit.kaggle.download import find_files
from kit.kaggle.exchange import ENTER, limit_remedy, one_line

_KERAS_SECONDS = 120
_ASK_KERAS = """
import keras
devices = ", ".join(map(str, keras.distribution.list_devices()))
print(f"Keras {keras.__version__} on {keras.backend.backend()}: {devices}")
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is well; None where that could not be found out.
        found: how it is, in one line without secrets.
        remedy: what to do about it, with the exact address; None where nothing is to be done.
        exit_code: what a command would end with because of it; 0 where it is well.
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
    return [*_credentials(found), *_kaggle(found), _keras(), _data(data)]


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


def _checked(name: str, check: Callable[[], tuple[bool, str, str | None]]) -> Check:
    try:
        ok, found, remedy = check()
    except KitError as error:
        return _failed(name, error)
    return Check(name, ok, found, remedy, 0 if ok else 5)


def _failed(name: str, error: KitError) -> Check:
    return Check(name, False, error.what, error.remedy, error.exit_code)


def _entered(kaggle: Kaggle) -> tuple[bool, str, str | None]:
    competition = kaggle.check_open()
    if not competition.entered:
        return False, "you have not entered it", ENTER
    closes = competition.deadline
    until = f"; it closes at {closes:%Y-%m-%d %H:%M} UTC" if closes else ""
    return True, f"you have entered it{until}", None


def _rules(kaggle: Kaggle) -> tuple[bool, str, str | None]:
    kaggle.check_rules()
    return True, "accepted", None


def _left(kaggle: Kaggle) -> tuple[bool, str, str | None]:
    limits = kaggle.limits()
    if limits is None:
        return True, "not known: a newer version of the package kagglesdk can ask for them", None
    if limits.left:
        return True, f"{limits.left} left today, {limits.total} made so far", None
    if limits.known:
        return False, f"none left, {limits.today} made today", limit_remedy()
    return True, "none made so far", None


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


def _data(folder: Path) -> Check:
    try:
        files = find_files(folder)
    except KitError as error:
        return _failed("data", error)
    except OSError as error:
        what = f"{folder} cannot be read ({error.strerror})"
        return Check("data", False, what, "See that the folder can be read", 3)
    if files is None:
        return Check("data", False, f"not all in {folder}", "Fetch them with: kit download", 3)
    told = ", ".join(f"{file.path.name} {file.rows:,} rows" for file in files)
    return Check("data", True, f"{folder}: {told}")
