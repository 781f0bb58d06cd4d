"""What stands between the user and a submission, checked thing by thing, each with its remedy."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kit.competition import ROWS, find_files
from kit.errors import CompetitionError, DataError, KitError, one_line
from kit.kaggle.client import Kaggle
from kit.kaggle.credentials import HOW_TO_GET_ONE, MEND, Credential, find_credentials
from kit.kaggle.exchange import ENTER
from kit.kaggle.submit import check_limits


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is `ok`, None where that could not be found out.

    `found` says how it is, `remedy` what to do; because of it, a command ends with `exit_code`.
    """

    name: str
    ok: bool | None
    found: str
    remedy: str | None = None
    exit_code: int = 0


def diagnose(data: Path) -> list[Check]:
    """Look at credentials, Kaggle and the competition's files, which should be in `data`."""
    found = find_credentials()
    return [*_credentials(found), *_kaggle(found), _checked("data", partial(_data, data))]


def _credentials(found: list[Credential]) -> Iterator[Check]:
    if not found:
        yield Check("credentials", False, "none were found", HOW_TO_GET_ONE, 4)
    winner = next((credential for credential in found if credential.problem is None), None)
    for each in found:
        if each.problem is not None:
            yield Check("credentials", False, f"{each}: {each.problem}", MEND, 0 if winner else 4)
        elif each is winner:
            yield Check("credentials", True, f"{each} is used")
        else:
            yield Check("credentials", None, f"{each} is hidden by the {winner}")
        with contextlib.suppress(OSError):
            if (path := each.path) and os.name != "nt" and path.stat().st_mode & 0o044:
                yield Check("credentials", False, f"others can read {path}", f"chmod 600 {path}")


def _kaggle(found: list[Credential]) -> list[Check]:
    asked = {"competition": _entered, "rules": _rules, "submissions": _left}
    if all(credential.problem is not None for credential in found):
        return [Check(name, None, "not asked without credentials") for name in ("account", *asked)]
    try:
        kaggle = Kaggle(found)
        account = Check("account", True, one_line(f"Kaggle knows you as {kaggle.whoami()}"))
    except KitError as error:
        account = Check("account", False, error.what, error.remedy, error.exit_code)
        return [account, *(Check(name, None, "not asked") for name in asked)]
    return [account, *(_checked(name, partial(check, kaggle)) for name, check in asked.items())]


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except KitError as error:
        return Check(name, False, error.what, error.remedy, error.exit_code)


def _entered(kaggle: Kaggle) -> str:
    competition = kaggle.competition()
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
    if (limits := check_limits(kaggle.limits())) is None:
        return "not known: Kaggle does not say, or the package kagglesdk is too old to ask"
    return f"{limits.left} left today, {limits.total} made so far"


def _data(folder: Path) -> str:
    try:
        files = find_files(folder)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}", "See that it can be read") from None
    if files is None:
        raise DataError(f"not all in {folder}", "Fetch them with: kit download")
    return f"{folder}: " + ", ".join(f"{file.name} {ROWS[file.name]:,} rows" for file in files)
