"""The server for this machine: whom it answers, and what malformed requests do to it."""

import socket
from collections.abc import Iterator

import pytest
import requests
from flask import Flask

from kit.errors import UsageError
from kit.loopback import LoopbackServer, read_body

OWN = "http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    app = Flask("echo")
    app.route("/body", methods=["GET", "POST"])(read_body)
    with LoopbackServer(app) as running:
        yield running


def post(server: LoopbackServer, **headers: str) -> requests.Response:
    return requests.post(f"{server.address}/body", b"ink", headers=headers, timeout=10)


def exchange(server: LoopbackServer, request: bytes) -> bytes:
    """Send bytes that no HTTP library would, and return the whole answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_programs_are_answered(server: LoopbackServer) -> None:
    assert server.address == OWN.format(port=server.port)
    assert post(server).content == b"ink"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1", 200),
        ("127.8.9.10:80", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("localhost.example.com", 403),
        ("127.0.0.1.nip.io", 403),
        ("10.0.0.1", 403),
        ("0.0.0.0", 403),
        ("localhost@example.com", 403),
        ("local host", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_a_name_that_leads_here_is_no_way_in(
    server: LoopbackServer, host: str, status: int
) -> None:
    assert post(server, Host=host).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": OWN}, 200),
        ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, 200),
        # Typed into the address bar, or a bookmark
        ({"Sec-Fetch-Site": "none"}, 200),
        # Through a tunnel, under another port
        ({"Host": "localhost:9000", "Origin": "http://localhost:9000"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://localhost:{port}"}, 403),
        ({"Origin": OWN + ".evil.example"}, 403),
        # A page in a sandboxed frame, or a file
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        # A page of another server on this machine
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "else"}, 403),
        ({"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"}, 403),
    ],
)
def test_pages_of_other_sites_are_refused(
    server: LoopbackServer, headers: dict[str, str], status: int
) -> None:
    given = {name: value.format(port=server.port) for name, value in headers.items()}
    assert post(server, **given).status_code == status


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost/body", 200),
        ("http://127.0.0.1:80/body", 200),
        # The address has the last word, whatever the header Host says
        ("http://example.com/body", 403),
        ("http://localhost:port/body", 403),
        ("http://[::1/body", 400),
        ("//localhost/body", 404),
        ("*", 404),
    ],
)
def test_addresses_as_a_proxy_gets_them(
    server: LoopbackServer, capfd: pytest.CaptureFixture[str], target: str, status: int
) -> None:
    answer = exchange(server, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert int(answer.split()[1]) == status
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 99999999999", 400),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200),
        (b"Content-Length: 2", 200),
    ],
)
def test_malformed_bodies(
    server: LoopbackServer, capfd: pytest.CaptureFixture[str], head: bytes, status: int
) -> None:
    start = b"POST /body HTTP/1.1\r\nHost: localhost\r\n"
    answer = exchange(server, start + head + b"\r\n\r\n{}")
    assert int(answer.split()[1]) == status
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "request_line", [b"\x16\x03\x01", b"GET", b"GET / HTTP/a", b"BREW /coffee HTTP/1.1"]
)
def test_malformed_request_lines(
    server: LoopbackServer, capfd: pytest.CaptureFixture[str], request_line: bytes
) -> None:
    assert b"40" in exchange(server, request_line + b"\r\nHost: localhost\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken(server: LoopbackServer) -> None:
    with pytest.raises(UsageError) as raised:
        LoopbackServer(Flask("late"), server.port)
    assert raised.value.what == f"Port {server.port} cannot be used (Address already in use)."
    assert raised.value.remedy == "Leave out --port to get a free one."


def test_the_port_is_free_again_at_the_end() -> None:
    with LoopbackServer(Flask("first")) as first:
        port = first.port
    with LoopbackServer(Flask("second"), port) as second:
        assert requests.get(second.address, timeout=10).status_code == 404
