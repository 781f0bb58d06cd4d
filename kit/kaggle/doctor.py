"""What stands between the user and a submission, checked thing by thing, each with its remedy."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kit.errors import CompetitionError, DataError, KitError, one_line
from kit.kaggle.client import Kaggle
from kit.kaggle.credentials import HOW_TO_GET_ONE, MEND, Credential, find_credentials
from kit.kaggle.download import ROWS, find_files
from kit.kaggle.exchange import ENTER, limit_remedy

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
        check = Check("credentials", None, f"{credential} is hidden by the {winner}")
        if credential.problem is not None:
            told, code = f"{credential}: {credential.problem}", 0 if winner else 4
            check = Check("credentials", False, told, MEND, code)
        elif credential is winner:
            check = Check("credentials", True, f"{credential} is used")
        checks.append(check)
        path = credential.path
        with contextlib.suppress(OSError):
            if os.name != "nt" and path is not None and path.stat().st_mode & 0o044:
                told = f"others can read {path}"
                checks.append(Check("credentials", False, told, f"chmod 600 {path}"))
    return checks


def _kaggle(found: list[Credential]) -> list[Check]:
    names = ("competition", "rules", "submissions")
    if all(credential.problem is not None for credential in found):
        told = "not asked without credentials"
        return [Check(name, None, told) for name in ("account", *names)]
    account = _checked("account", lambda: one_line(f"Kaggle knows you as {Kaggle(found).whoami()}"))
    if not account.ok:
        return [account, *(Check(name, None, "not asked") for name in names)]
    kaggle = Kaggle(found)
    return [
        account,
        _checked("competition", lambda: _entered(kaggle)),
        _checked("rules", lambda: _rules(kaggle)),
        _checked("submissions", lambda: _left(kaggle)),
    ]


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except KitError as error:
        return Check(name, False, error.what, error.remedy, error.exit_code)


def _entered(kaggle: Kaggle) -> str:
    competition = kaggle.check_open()
    if not competition.entered:
        raise CompetitionError("you have not entered it", ENTER)
    closes = competition.deadline
    return "you have entered it" + (f"; it closes at {closes:%Y-%m-%d %H:%M} UTC" if closes else "")


def _rules(kaggle: Kaggle) -> str:
    # They must be accepted before Kaggle tells where a file is
    name = "sample_submission.csv"
    kaggle.retry("giving out the files", lambda: kaggle.locate("DownloadDataFile", file_name=name))
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
        done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(asked, 1, stderr="nothing in 120 seconds")
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
