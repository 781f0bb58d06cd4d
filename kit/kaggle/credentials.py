"""Kaggle's credentials on this machine: which there are, where, and which one its client uses."""

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

Kind = Literal["token", "key", "oauth"]

_TOKEN = "KAGGLE_API_TOKEN"  # noqa: S105 - a variable's name, not its value
_NOTEBOOK_TOKEN = "KAGGLE_API_V1_TOKEN"  # noqa: S105 - as above
_USERNAME, _KEY = "KAGGLE_USERNAME", "KAGGLE_KEY"
# what HTTP takes in a header, without the spaces that no credential has
_SENDABLE = re.compile(r"[!-~]+")
_LIKE_A_PATH = re.compile(r"(?:[~.]{0,2}[/\\]|[A-Za-z]:\\).*")
_WORDS: dict[Kind, str] = {"token": "access token", "key": "legacy API key", "oauth": "OAuth login"}


@dataclass(frozen=True)
class Credential:
    """A credential that was found, or what stands in its place.

    Attributes:
        kind: an access `token`, a legacy `key` with its username, or an `oauth` login.
        place: the variable or file that holds it, for a person.
        path: the file that holds it, or None for a variable.
        username: whose it is, where that is told without asking Kaggle.
        secret: the token or the key; empty for an OAuth login, which Kaggle's client reads itself.
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
        raise CredentialsError(
            f"No Kaggle credentials that can be used: {problems}.", HOW_TO_GET_ONE
        )
    raise CredentialsError("No Kaggle credentials were found.", HOW_TO_GET_ONE)


def _tokens() -> Iterator[Credential]:
    # as Kaggle's client tells that it runs in a notebook
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ and "KAGGLE_DATA_PROXY_URL" in os.environ:
        notebook = os.environ.get(_NOTEBOOK_TOKEN)
        if notebook:
            yield from _token_file(Path(notebook), f"{_NOTEBOOK_TOKEN} ({notebook})")
    value = os.environ.get(_TOKEN)
    if value:
        if _exists(Path(value)):
            yield from _token_file(Path(value), f"{_TOKEN} ({value})")
            # Kaggle's client looks for no other token then, even where the file is empty
            return
        elif _LIKE_A_PATH.fullmatch(value):
            yield Credential("token", _TOKEN, problem=f"it names a file that is not there, {value}")
        else:
            yield _token(value, _TOKEN, None)
    for name in ("access_token", "access_token.txt"):
        path = Path.home() / ".kaggle" / name
        if _exists(path):
            yield from _token_file(path, str(path))


def _token_file(path: Path, place: str) -> Iterator[Credential]:
    if not _exists(path):
        yield Credential("token", place, path, problem="the file is not there")
        return
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        yield Credential("token", place, path, problem=_unreadable(error))
    else:
        yield _token(value, place, path)


def _token(value: str, place: str, path: Path | None) -> Credential:
    if not value:
        return Credential("token", place, path, problem="it is empty")
    if not _SENDABLE.fullmatch(value):
        return Credential("token", place, path, problem="it holds characters that no token has")
    return Credential("token", place, path, secret=value)


def config_folder() -> Path:
    """Where Kaggle's client keeps `kaggle.json`; it is not made."""
    chosen = os.environ.get("KAGGLE_CONFIG_DIR")
    if chosen:
        return Path(chosen)
    usual = Path.home() / ".kaggle"
    if sys.platform.startswith("linux") and not usual.exists():
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"
    return usual


def _legacy_key() -> Iterator[Credential]:
    path = config_folder() / "kaggle.json"
    kept: dict[str, object] = {}
    if _exists(path):
        try:
            content = json.loads(path.read_text(encoding="utf-8")) or {}
        except (OSError, ValueError) as error:
            yield Credential("key", str(path), path, problem=_unreadable(error))
        else:
            if isinstance(content, dict):
                kept = content
            else:
                yield Credential("key", str(path), path, problem="it holds no JSON object")
    # variables win over the file, one by one, so a pair can be made of both
    username, name_place = _setting(_USERNAME, "username", kept, path)
    key, key_place = _setting(_KEY, "key", kept, path)
    if username is None and key is None:
        return
    places = dict.fromkeys(place for place in (name_place, key_place) if place)
    place = " and ".join(places)
    file = path if str(path) in places else None
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


def _setting(
    variable: str, name: str, kept: dict[str, object], path: Path
) -> tuple[object, str | None]:
    if variable in os.environ:
        return os.environ[variable], variable
    if name in kept:
        return kept[name], str(path)
    return None, None


def _oauth_login() -> Iterator[Credential]:
    path = Path.home() / ".kaggle" / "credentials.json"
    if not _exists(path):
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield Credential("oauth", str(path), path, problem=_unreadable(error))
        return
    if not isinstance(content, dict) or not content.get("refresh_token"):
        yield Credential("oauth", str(path), path, problem="it holds no refresh token")
        return
    username = content.get("username")
    yield Credential("oauth", str(path), path, username if isinstance(username, str) else None)


def _exists(path: Path) -> bool:
    # a long token is no possible name of a file, and asking whether it is one fails
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _unreadable(error: Exception) -> str:
    # the words of a decoding error quote what they could not decode: a secret
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror or type(error).__name__})"
    return "it is not JSON" if isinstance(error, json.JSONDecodeError) else "it is not text"
