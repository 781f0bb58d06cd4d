"""Kaggle's credentials on this machine: which there are, where, and which one its client uses."""

import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kit.errors import CredentialsError

SETTINGS_PAGE = "https://www.kaggle.com/settings"
LOG_IN = "Log in again with: kaggle auth login"
HOW_TO_GET_ONE = (
    f"Make a token at {SETTINGS_PAGE} (API, Generate New Token) and save it as"
    " ~/.kaggle/access_token, or set KAGGLE_API_TOKEN to it"
)
MEND = f"Correct or remove it. {LOG_IN}. Or: {HOW_TO_GET_ONE}"

Kind = Literal["token", "key", "oauth"]

# What HTTP takes in a header, without the spaces that no credential has
_SENDABLE = re.compile(r"[!-~]+")
_LIKE_A_PATH = re.compile(r"(?:[~.]{0,2}[/\\]|[A-Za-z]:\\).*")
# What opening a file raises where there is none by that name
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)
_WORDS: dict[Kind, str] = {"token": "access token", "key": "legacy API key", "oauth": "OAuth login"}


@dataclass(frozen=True)
class Credential:
    """A credential that was found, or what stands in its place.

    Attributes:
        kind: an access `token`, a legacy `key` with its username, or an `oauth` login.
        place, path: the variable or file that holds it, for a person; the file, or None.
        username: whose it is, where it tells that itself.
        secret: the token, the key, or an OAuth login's refresh token; unreliable with a problem.
        problem: why it cannot be used, or None.
    """

    kind: Kind
    place: str
    path: Path | None = None
    username: str | None = None
    secret: str = field(default="", repr=False)
    problem: str | None = None

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]} in {self.place}"


def find_credentials() -> list[Credential]:
    """Find all credentials, in the order in which Kaggle's own client tries them."""
    # `Path.home` fails for a user without HOME whom the system does not know, as in containers
    place = os.path.expanduser("~")  # noqa: PTH111
    home = Path(os.devnull if place == "~" else place, ".kaggle")
    return [*_tokens(home), *_legacy_key(home), *_oauth_login(home)]


def usable_credentials(found: list[Credential]) -> list[Credential]:
    """Those without a problem; the first is used. A CredentialsError says why there is none."""
    usable = [credential for credential in found if credential.problem is None]
    if not found:
        raise CredentialsError("No Kaggle credentials were found.", HOW_TO_GET_ONE)
    if not usable:
        problems = "; ".join(f"{credential}: {credential.problem}" for credential in found)
        raise CredentialsError(f"No Kaggle credentials that can be used: {problems}.", MEND)
    return usable


def _tokens(home: Path) -> Iterator[Credential]:
    variables = ["KAGGLE_API_TOKEN"]
    # As Kaggle's client tells that it runs in a notebook
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ and "KAGGLE_DATA_PROXY_URL" in os.environ:
        variables.insert(0, "KAGGLE_API_V1_TOKEN")
    for variable in filter(os.environ.get, variables):
        value = os.environ[variable]
        in_file = [*_token(f"{variable} ({value})", Path(value), *_read(Path(value)))]
        is_lost = not in_file and _LIKE_A_PATH.fullmatch(value)
        # Without the value: a token, too, may look like a path
        problem = "it names a file that is not there" if is_lost else None
        yield from in_file or _token(variable, None, value, problem)
    for path in (home / "access_token", home / "access_token.txt"):
        yield from _token(str(path), path, *_read(path))


def _token(
    place: str, path: Path | None, text: str | None, problem: str | None
) -> Iterator[Credential]:
    if text is not None and not problem and not _SENDABLE.fullmatch(text):
        problem = "it is empty, or holds characters that no token has"
    if text is not None or problem:
        yield Credential("token", place, path, secret=text or "", problem=problem)


def _legacy_key(home: Path) -> Iterator[Credential]:
    folder, given = home, os.environ.get("KAGGLE_CONFIG_DIR")
    if sys.platform.startswith("linux") and not os.access(home, os.F_OK):
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or home.parent / ".config") / "kaggle"
    path = (Path(given) if given else folder) / "kaggle.json"
    kept, problem = _read_json(path)
    # `Path.is_file` raises where the folder above may not be read
    if given and os.path.isfile(given):  # noqa: PTH113
        yield Credential("key", f"KAGGLE_CONFIG_DIR ({given})", problem="it must name a folder")
    # Variables win over the file, one by one, so a pair can be made of both; empty ones are not set
    pair, places, fault = {}, [], None
    for name in ("username", "key"):
        place = f"KAGGLE_{name.upper()}"
        value = os.environ.get(place)
        if not value or value.isspace():
            place, value = str(path), (kept or {}).get(name)
        places += [place] * (value is not None)
        if value is None:
            fault = f"there is no {name} to go with it"
        elif not (isinstance(value, str) and _SENDABLE.fullmatch(value)):
            fault = f"its {name} is empty, or has spaces or accents; it must be text"
        pair[name] = str(value)
    if kept is not None and not places:
        problem = "it names no username and no key"
    if problem:
        yield Credential("key", str(path), path, problem=problem)
    if places:
        place, file = " and ".join(dict.fromkeys(places)), path if str(path) in places else None
        yield Credential("key", place, file, pair["username"], pair["key"], fault)


def _oauth_login(home: Path) -> Iterator[Credential]:
    path = home / "credentials.json"
    kept, problem = _read_json(path)
    user, token = map((kept or {}).get, ("username", "refresh_token"))
    if kept is not None and not (isinstance(token, str) and _SENDABLE.fullmatch(token)):
        problem = "it holds no refresh token"
    if kept is not None or problem:
        yield Credential("oauth", str(path), path, user, str(token), problem)


def _read(path: Path) -> tuple[str | None, str | None]:
    """A file's text, None if there is no such file, and why it cannot be used."""
    try:
        return path.read_text(encoding="utf-8-sig").strip(), None
    except UnicodeDecodeError:
        # The error's own words quote what could not be decoded: a secret
        return None, "it is not text"
    except OSError as error:
        return None, None if error.errno in _NO_FILE else f"it cannot be read ({error.strerror})"


def _read_json(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    text, problem = _read(path)
    if text is None:
        return None, problem
    try:
        content = json.loads(text or "{}") or {}
    except (ValueError, RecursionError):
        return None, "it is not JSON"
    return (content, None) if isinstance(content, dict) else (None, "it holds no JSON object")
