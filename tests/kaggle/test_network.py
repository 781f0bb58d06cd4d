"""Proxies and certificates: what cannot work is told at once, by the variable that is to blame."""

import base64
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from faulty_kaggle import FaultyKaggle
from runs import make_run
from small_competition import FULL_LABELS

from kit.cli.main import run
from kit.kaggle.exchange import Trouble, failure_of

USER, PASSWORD = "me", "pass-word"
SECRETS = (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(), "local-token")
COMMANDS = ("download", "submit", "doctor", "history")
# What a proxy answers to CONNECT, or to a request that it is to pass on
REPLIES = {
    "wants a password": (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "(407)"),
    "lets nobody through": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "lets nobody through"),
    "is out of order": (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "lets nobody through"),
}
# Addresses that are none, or not of an HTTP proxy; {at} is where a proxy listens
ADDRESSES = {
    "SOCKS": ("socks5h://{user}@{at}", "pip install PySocks"),
    "another scheme": ("ftp://{user}@{at}", "malformed"),
    "no scheme": ("{user}@{at}", "malformed"),
    "no host": ("http://", "malformed"),
    "no port": ("http://{user}@127.0.0.1:port", "malformed"),
    "a password with a bracket": ("http://{user}[@{at}", "malformed"),
    "a password with a hash": ("http://{user}#@{at}", "malformed"),
    "HTTPS to a proxy without": ("https://{user}@{at}", "begins with http://"),
}


class Proxy:
    """Gives each caller the same bytes, and keeps what they said."""

    def __init__(self, reply: bytes) -> None:
        self.reply, self.heard = reply, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.heard += connection.recv(65_536)
                connection.sendall(self.reply)


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    reply = REPLIES[getattr(request, "param", "wants a password")][0]
    running = Proxy(reply)
    yield running
    running.listener.close()


@pytest.fixture
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run, and an environment with a token that is turned to Kaggle itself."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "submissions", FULL_LABELS)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "local-token")
    # A second try would take longer than the test may
    monkeypatch.setattr("kit.kaggle.client.FIRST_WAIT", 60.0)
    return tmp_path


def assert_told_at_once(capsys: pytest.CaptureFixture[str], command: str, *words: str) -> None:
    """Run a command with `--debug`: it names what is to blame, soon, and tells no secret."""
    started = time.perf_counter()
    code = run([command, "--debug"])
    assert time.perf_counter() - started < 20
    assert code == (0 if command == "history" else 6)
    captured = capsys.readouterr()
    for word in words:
        assert word in captured.err + captured.out
    for secret in SECRETS:
        assert secret not in captured.err + captured.out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("proxy", REPLIES, indirect=True)
def test_a_proxy_that_refuses(
    place: Path,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@{proxy.at}")
    why = next(why for reply, why in REPLIES.values() if reply == proxy.reply)
    assert_told_at_once(capsys, command, "HTTPS_PROXY", why, "unset")
    assert proxy.heard.startswith(b"CONNECT api.kaggle.com")
    assert b"local-token" not in proxy.heard


@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_is_none(
    place: Path,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    variable: str,
) -> None:
    address, why = ADDRESSES[name]
    monkeypatch.setenv(variable, address.format(user=f"{USER}:{PASSWORD}", at=proxy.at))
    # Another scheme's, which is not to blame
    monkeypatch.setenv("HTTP_PROXY", "http://other.invalid:1")
    assert_told_at_once(capsys, "download", variable, why)


def test_socks_is_named_for_http_too(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("HTTP_PROXY", f"socks5://{USER}:{PASSWORD}@127.0.0.1:1")
    assert_told_at_once(capsys, "doctor", "HTTP_PROXY", "pip install PySocks")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_at_home(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    host: str,
    scheme: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    address = f"{scheme}://{USER}:{PASSWORD}@{host}:{port}"
    monkeypatch.setenv("HTTPS_PROXY", address)
    monkeypatch.setenv("https_proxy", address)
    assert_told_at_once(capsys, command, "HTTPS_PROXY and https_proxy", "nobody answers there")


@pytest.mark.parametrize("call", ["ListDataFiles", "DownloadDataFiles", "Download"])
def test_a_407_as_a_status(
    at_full_local: FaultyKaggle,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: str,
) -> None:
    """For HTTP, without CONNECT, a proxy refuses with a status."""
    monkeypatch.setattr("kit.kaggle.client.FIRST_WAIT", 60.0)
    at_full_local.fail(call, 407, times=100, html=True)
    assert_told_at_once(capsys, "download", "HTTP_PROXY and http_proxy", "(407)")
    # Only a file may be asked for once more, from its start
    assert at_full_local.calls.count(call) <= (2 if call == "Download" else 1)


def test_a_connection_that_a_proxy_resets_may_have_been_made() -> None:
    """Where the answer is lost behind a proxy, Kaggle may have acted on the call."""
    proxy = Proxy(b"")
    with pytest.raises(requests.exceptions.ProxyError) as lost:
        requests.post("http://kaggle.invalid", proxies={"http": f"http://{proxy.at}"}, timeout=5)
    failure = failure_of(lost.value)
    assert failure.trouble is Trouble.BROKEN
    assert not failure.had_no_effect


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("command", COMMANDS)
def test_certificates_that_are_not_there(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, str(place / "company.pem"))
    assert_told_at_once(
        capsys, command, f"{variable} names {place / 'company.pem'}", f"correct or unset {variable}"
    )
    assert run(["history", "--offline"]) == 0


def test_certificates_that_are_none(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy = Proxy(b"HTTP/1.1 200 Connection established\r\n\r\n")
    path = place / "notes.txt"
    path.write_text("no certificate")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.at}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    assert_told_at_once(capsys, "download", f"REQUESTS_CA_BUNDLE names {path}")


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(
        [*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, pytest.raises(OSError):  # noqa: PT011 - the caller goes away
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        with pytest.raises(requests.exceptions.SSLError) as refused:
            requests.get(f"https://localhost:{listener.getsockname()[1]}", timeout=5)
        serving.join()
    failure = failure_of(refused.value)
    assert (failure.trouble, failure.had_no_effect) == (Trouble.NO_TRUST, True)


def test_an_answer_that_tls_cuts_off_may_have_been_one() -> None:
    cut = ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred")
    failure = failure_of(requests.exceptions.SSLError(cut))
    assert (failure.trouble, failure.had_no_effect) == (Trouble.BROKEN, False)


def test_a_name_that_is_not_found() -> None:
    with pytest.raises(requests.ConnectionError) as unknown:
        requests.get("http://kaggle.invalid", timeout=5)
    failure = failure_of(unknown.value)
    assert (failure.trouble, failure.is_transient) == (Trouble.NO_CONNECTION, True)
