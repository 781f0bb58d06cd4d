"""Kaggle's credentials on this machine: which there are, where, and which one its client uses."""

import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kit.errors import CredentialsError

SETTINGS_PAGE = "https://www.kaggle.com/settings"
HOW_TO_GET_ONE = (
    f"Make a token at {SETTINGS_PAGE} (API, Generate New Token) and save it as"
    " ~/.kaggle/access_token, or set KAGGLE_API_TOKEN to it"
)
MEND = f"Correct or remove it. Or: {HOW_TO_GET_ONE}"

Kind = Literal["token", "key", "oauth"]

_TOKEN = "KAGGLE_API_TOKEN"  # noqa: S105 - a variable's name, not its value
_NOTEBOOK_TOKEN = "KAGGLE_API_V1_TOKEN"  # noqa: S105 - as above
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
        place: the variable or file that holds it, for a person.
        path: the file that holds it, or None for a variable.
        username: whose it is, where that is told without asking Kaggle.
        secret: the token, the key, or an OAuth login's refresh token.
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
    return [*_tokens(), *_legacy_key(), *_oauth_login()]


def choose_credential(found: list[Credential]) -> Credential:
    """The one that is used: the first without a problem.

    Raises:
        CredentialsError: there is none; what is wrong with those that were found is told.
    """
    for credential in found:
        if credential.problem is None:
            return credential
    if found:
        problems = "; ".join(f"{credential}: {credential.problem}" for credential in found)
        raise CredentialsError(f"No Kaggle credentials that can be used: {problems}.", MEND)
    raise CredentialsError("No Kaggle credentials were found.", HOW_TO_GET_ONE)


def config_folder() -> Path | None:
    """Where Kaggle's client keeps `kaggle.json`, or None without a home; it is not made."""
    home, xdg = _home(), os.environ.get("XDG_CONFIG_HOME")
    usual = home / ".kaggle" if home else None
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(os.environ["KAGGLE_CONFIG_DIR"])
    if (usual and os.access(usual, os.F_OK)) or not sys.platform.startswith("linux"):
        return usual
    if xdg:
        return Path(xdg) / "kaggle"
    return home / ".config/kaggle" if home else None


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        # No HOME, and a user whom the system does not know, as in containers
        return None


def _tokens() -> Iterator[Credential]:
    # As Kaggle's client tells that it runs in a notebook
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ and "KAGGLE_DATA_PROXY_URL" in os.environ:
        notebook = os.environ.get(_NOTEBOOK_TOKEN)
        if notebook:
            place = f"{_NOTEBOOK_TOKEN} ({notebook})"
            missing = Credential("token", place, Path(notebook), problem="the file is not there")
            yield _token_file(Path(notebook), place) or missing
    value = os.environ.get(_TOKEN)
    if value:
        named = _token_file(Path(value), f"{_TOKEN} ({value})")
        if named:
            yield named
            # Kaggle's client looks for no other token then, even where the file is empty
            return
        if _LIKE_A_PATH.fullmatch(value):
            yield Credential("token", _TOKEN, problem=f"it names a file that is not there, {value}")
        else:
            yield _token(value, _TOKEN, None)
    home = _home()
    if home:
        paths = (home / ".kaggle" / name for name in ("access_token", "access_token.txt"))
        yield from filter(None, (_token_file(path, str(path)) for path in paths))


def _token_file(path: Path, place: str) -> Credential | None:
    text, problem = _read(path)
    if problem:
        return Credential("token", place, path, problem=problem)
    return None if text is None else _token(text, place, path)


def _token(value: str, place: str, path: Path | None) -> Credential:
    if not value:
        return Credential("token", place, path, problem="it is empty")
    if not _SENDABLE.fullmatch(value):
        return Credential("token", place, path, problem="it holds characters that no token has")
    return Credential("token", place, path, secret=value)


def _legacy_key() -> Iterator[Credential]:
    folder = config_folder()
    path = folder / "kaggle.json" if folder else None
    kept, problem = _read_json(path)
    # `Path.is_file` raises where the folder above may not be read
    if os.environ.get("KAGGLE_CONFIG_DIR") and os.path.isfile(folder or ""):  # noqa: PTH113
        path, problem = folder, "KAGGLE_CONFIG_DIR names this file, but must name its folder"
    # Variables win over the file, one by one, so a pair can be made of both; empty ones are not set
    values, places = [], []
    for name in ("username", "key"):
        variable = f"KAGGLE_{name.upper()}"
        value = os.environ.get(variable) or (kept or {}).get(name)
        values.append(value)
        if value is not None:
            places.append(variable if os.environ.get(variable) else str(path))
    if kept is not None and not places:
        problem = "it names no username and no key"
    if problem:
        yield Credential("key", str(path), path, problem=problem)
    if not places:
        return
    username, key = values
    place, file = " and ".join(dict.fromkeys(places)), path if str(path) in places else None
    if username is None or key is None:
        lacking = "username" if username is None else "key"
        problem = f"there is no {lacking} to go with it"
    elif not (isinstance(username, str) and isinstance(key, str)):
        problem = "username and key must be text"
    elif not (_SENDABLE.fullmatch(username) and _SENDABLE.fullmatch(key)):
        problem = "username or key is empty, or holds characters that none has"
    else:
        yield Credential("key", place, file, username, key)
        return
    yield Credential("key", place, file, problem=problem)


def _oauth_login() -> Iterator[Credential]:
    home = _home()
    path = home / ".kaggle/credentials.json" if home else None
    kept, problem = _read_json(path)
    username, token = ((kept or {}).get(name) for name in ("username", "refresh_token"))
    if kept is not None and not token:
        problem = "it holds no refresh token"
    if kept is not None or problem:
        name = username if isinstance(username, str) else None
        yield Credential("oauth", str(path), path, name, str(token or ""), problem)


def _read(path: Path) -> tuple[str | None, str | None]:
    """A file's text, None if there is no such file, and why it cannot be used."""
    try:
        return path.read_text(encoding="utf-8-sig").strip(), None
    except UnicodeDecodeError:
        # The error's own words quote what could not be decoded: a secret
        return None, "it is not text"
    except OSError as error:
        is_missing = error.errno in _NO_FILE
        return None, None if is_missing else f"it cannot be read ({error.strerror})"


def _read_json(path: Path | None) -> tuple[dict[str, object] | None, str | None]:
    text, problem = _read(path) if path else (None, None)
    if text is None:
        return None, problem
    try:
        content = json.loads(text or "{}") or {}
    except ValueError:
        return None, "it is not JSON"
    return (content, None) if isinstance(content, dict) else (None, "it holds no JSON object")
