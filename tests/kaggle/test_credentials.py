"""Where credentials are found, in whose order, and what is said of those that cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle

from kit.errors import CredentialsError, NetworkError
from kit.kaggle.client import Kaggle
from kit.kaggle.credentials import find_credentials, usable_credentials


def save(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def login(home: Path) -> Path:
    content = {
        "refresh_token": "local-refresh-token",
        "access_token": "another client's",
        "access_token_expiration": "2030-01-01T00:00:00+00:00",
        "username": "rehearser",
        "scopes": [],
    }
    return save(home / ".kaggle/credentials.json", content)


def test_all_are_found_in_the_clients_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_1")
    token_file = save(home / ".kaggle/access_token", "KGAT_2\n")
    text_file = save(home / ".kaggle/access_token.txt", "KGAT_3")
    key_file = save(home / ".kaggle/kaggle.json", {"username": "me", "key": "k"})
    oauth_file = login(home)
    found = find_credentials()
    assert [(credential.kind, credential.place) for credential in found] == [
        ("token", "KAGGLE_API_TOKEN"),
        ("token", str(token_file)),
        ("token", str(text_file)),
        ("key", str(key_file)),
        ("oauth", str(oauth_file)),
    ]
    assert usable_credentials(found) == found
    assert "KGAT" not in repr(found)


def test_a_token_may_be_a_path(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "token", " KGAT_1 \n")
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(path))
    (found,) = find_credentials()
    assert (found.secret, found.path) == ("KGAT_1", path)


def test_a_long_token_is_no_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x" * 5000)
    (found,) = find_credentials()
    assert found.problem is None


def test_a_notebooks_token_comes_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_1")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    monkeypatch.setenv("KAGGLE_DATA_PROXY_URL", "https://example.org")
    monkeypatch.setenv("KAGGLE_API_V1_TOKEN", str(save(tmp_path / "token", "KGAT_0")))
    assert [found.secret for found in find_credentials()] == ["KGAT_0", "KGAT_1"]


def test_variables_win_over_the_file_one_by_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(home / ".kaggle/kaggle.json", {"username": "me", "key": "old"})
    monkeypatch.setenv("KAGGLE_KEY", "new")
    (found,) = find_credentials()
    assert (found.username, found.secret) == ("me", "new")
    assert found.place == f"{path} and KAGGLE_KEY"


def test_the_configuration_folder_is_the_clients(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places() -> list[str]:
        return [found.place for found in find_credentials()]

    key = {"username": "me", "key": "k"}
    usual, other = save(home / ".config/kaggle/kaggle.json", key), tmp_path / "other"
    assert places() == [str(usual)]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(other))
    assert places() == []
    by_xdg = save(other / "kaggle/kaggle.json", key)
    assert places() == [str(by_xdg)]
    in_home = save(home / ".kaggle/kaggle.json", key)
    assert places() == [str(in_home)]
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "mine"))
    assert places() == []
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("empty", [["USERNAME", "KEY"], ["USERNAME"], ["KEY", "API_TOKEN"]])
def test_empty_variables_are_not_set(
    home: Path, monkeypatch: pytest.MonkeyPatch, empty: list[str]
) -> None:
    path = save(home / ".kaggle/kaggle.json", {"username": "me", "key": "good"})
    for name in empty:
        monkeypatch.setenv(f"KAGGLE_{name}", "")
    (found,) = find_credentials()
    assert (found.place, found.username, found.secret) == (str(path), "me", "good")


def test_a_token_file_with_a_byte_order_mark(home: Path) -> None:
    save(home / ".kaggle/access_token", "\ufeffKGAT_1\r\n")
    (found,) = find_credentials()
    assert found.secret == "KGAT_1"


@pytest.fixture
def homeless(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HOME, and a user without an entry in passwd."""

    def unknown(_uid: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HOME")
    with pytest.raises(RuntimeError):
        Path.home()


def test_without_a_home_the_environment_is_enough(
    at_local: FaultyKaggle, homeless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Kaggle().whoami() == "rehearser"
    assert Kaggle().list_files()
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", "rehearser")
    monkeypatch.setenv("KAGGLE_KEY", "local-key")
    assert Kaggle().whoami() == "rehearser"


def test_without_a_home_and_credentials_that_is_told(
    homeless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Home is not a folder that is called so
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "~/.kaggle/access_token", "KGAT_1")
    with pytest.raises(CredentialsError, match="No Kaggle credentials were found"):
        Kaggle()
    path = save(tmp_path / "kaggle/kaggle.json", {"username": "me", "key": "k"})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert [found.place for found in find_credentials()] == [str(path)]


def link_to_itself(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path)


BROKEN: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], object], str]] = {
    "nothing": (lambda home, env: None, "No Kaggle credentials were found"),
    "empty token file": (lambda home, env: save(home / ".kaggle/access_token", ""), "it is empty"),
    "token with a space": (
        lambda home, env: env.setenv("KAGGLE_API_TOKEN", "se cret"),
        "characters that no token has",
    ),
    "token beyond ASCII": (
        lambda home, env: env.setenv("KAGGLE_API_TOKEN", "sécret"),
        "characters that no token has",
    ),
    "path that leads nowhere": (
        lambda home, env: env.setenv("KAGGLE_API_TOKEN", "~/.kaggle/token"),
        "a file that is not there",
    ),
    "token that looks like a path": (
        lambda home, env: env.setenv("KAGGLE_API_TOKEN", "/secret+base/64"),
        "a file that is not there",
    ),
    "token is a folder": (
        lambda home, env: (home / ".kaggle/access_token").mkdir(parents=True),
        "cannot be read (Is a directory)",
    ),
    "key file is not JSON": (
        lambda home, env: save(home / ".kaggle/kaggle.json", '{"key": "secret'),
        "it is not JSON",
    ),
    "key file is a list": (
        lambda home, env: save(home / ".kaggle/kaggle.json", ["secret"]),
        "no JSON object",
    ),
    "key without a name": (
        lambda home, env: save(home / ".kaggle/kaggle.json", {"key": "secret"}),
        "no username",
    ),
    "name without a key": (lambda home, env: env.setenv("KAGGLE_USERNAME", "me"), "no key"),
    "empty key": (
        lambda home, env: save(home / ".kaggle/kaggle.json", {"username": "me", "key": ""}),
        "is empty",
    ),
    "key is a number": (
        lambda home, env: save(home / ".kaggle/kaggle.json", {"username": "me", "key": 12}),
        "must be text",
    ),
    "key file is a folder": (
        lambda home, env: (home / ".kaggle/kaggle.json").mkdir(parents=True),
        "kaggle.json: it cannot be read (Is a directory)",
    ),
    "key file is a link to itself": (
        lambda home, env: link_to_itself(home / ".kaggle/kaggle.json"),
        "kaggle.json: it cannot be read (Too many levels",
    ),
    "key file is empty": (
        lambda home, env: save(home / ".kaggle/kaggle.json", ""),
        "kaggle.json: it names no username and no key",
    ),
    "key file has only settings": (
        lambda home, env: save(home / ".kaggle/kaggle.json", {"competition": "titanic"}),
        "kaggle.json: it names no username and no key",
    ),
    "key file names no key": (
        lambda home, env: save(home / ".kaggle/kaggle.json", {"username": "me"}),
        "kaggle.json: there is no key to go with it",
    ),
    "key file is not text": (
        lambda home, env: save(home / ".kaggle/kaggle.json", "").write_bytes(b"\xff\xfe{\0"),
        "kaggle.json: it is not text",
    ),
    "folder of settings is a file": (
        lambda home, env: env.setenv("KAGGLE_CONFIG_DIR", str(save(home / "mine.json", {}))),
        "mine.json): it must name a folder",
    ),
    "login is a folder": (
        lambda home, env: (home / ".kaggle/credentials.json").mkdir(parents=True),
        "credentials.json: it cannot be read",
    ),
    "login whose refresh token is a number": (
        lambda home, env: save(home / ".kaggle/credentials.json", {"refresh_token": 12}),
        "credentials.json: it holds no refresh token",
    ),
    "login without a token": (
        lambda home, env: save(home / ".kaggle/credentials.json", {"access_token": "secret"}),
        "no refresh token",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    arrange, expected = BROKEN[case]
    arrange(home, monkeypatch)
    with pytest.raises(CredentialsError) as missing:
        Kaggle()
    assert expected in missing.value.what
    assert "secret" not in missing.value.what
    assert "https://www.kaggle.com/settings" in missing.value.remedy


@pytest.mark.parametrize("case", [case for case in BROKEN if "token" not in case])
def test_other_good_credentials_are_used(
    home: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    BROKEN[case][0](home, monkeypatch)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_1")
    assert Kaggle().credential.secret == "KGAT_1"


@pytest.fixture
def without_token(at_local: FaultyKaggle, monkeypatch: pytest.MonkeyPatch) -> FaultyKaggle:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    return at_local


def test_a_legacy_key_works(without_token: FaultyKaggle, home: Path) -> None:
    save(home / ".kaggle/kaggle.json", {"username": "rehearser", "key": "local-key"})
    assert Kaggle().whoami() == "rehearser"


def test_a_stale_token_over_a_good_key_is_told(
    at_local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(home / ".kaggle/kaggle.json", {"username": "rehearser", "key": "local-key"})
    monkeypatch.setenv("KAGGLE_API_TOKEN", "stale")
    kaggle = Kaggle()
    for refused in (kaggle.whoami, kaggle.competition):
        with pytest.raises(CredentialsError) as told:
            refused()
        assert "the access token in KAGGLE_API_TOKEN" in told.value.what
        assert f"it hides the legacy API key in {path}" in told.value.what
        assert "or unset KAGGLE_API_TOKEN" in told.value.remedy


def test_a_wrong_key_is_refused(without_token: FaultyKaggle, home: Path) -> None:
    save(home / ".kaggle/kaggle.json", {"username": "rehearser", "key": "wrong"})
    with pytest.raises(CredentialsError, match="legacy API key"):
        Kaggle().whoami()


def test_a_login_gets_its_access_token(without_token: FaultyKaggle, home: Path) -> None:
    path = login(home)
    kept = path.read_bytes()
    kaggle = Kaggle()
    assert kaggle.whoami() == "rehearser"
    assert kaggle.competition().entered
    assert without_token.calls == ["GenerateAccessToken", "GetCompetition", "GetCompetition"]
    assert path.read_bytes() == kept


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_revoked_login_is_refused(without_token: FaultyKaggle, home: Path, status: int) -> None:
    login(home)
    without_token.fail("GenerateAccessToken", status)
    with pytest.raises(CredentialsError) as refused:
        Kaggle().competition()
    assert refused.value.remedy == "Log in again with: kaggle auth login"


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_refresh_token_is_not_sent_elsewhere(
    without_token: FaultyKaggle, home: Path, status: int
) -> None:
    login(home)
    elsewhere = {"Location": "http://elsewhere.invalid/api/v1/stolen/Token"}
    without_token.fail("GenerateAccessToken", status, times=10, headers=elsewhere)
    with pytest.raises(NetworkError, match="Something other than Kaggle's answer"):
        Kaggle().competition()
    assert set(without_token.calls) == {"GenerateAccessToken"}


def test_finding_them_makes_no_folder_and_loads_no_client(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_credentials() == []
    assert list(home.iterdir()) == []
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
