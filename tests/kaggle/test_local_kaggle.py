"""The local Kaggle: with Kaggle's own command-line client, and with requests that are malformed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from faulty_kaggle import FaultyKaggle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import SDK_HAS_LIMITS
from small_competition import write_labels

from kit.local_kaggle.app import LocalKaggle

CALLS = [
    "IntrospectToken",
    "GetCompetition",
    "ListDataFiles",
    "DownloadDataFiles",
    "DownloadDataFile",
    "StartSubmissionUpload",
    "CreateSubmission",
    "GetSubmissionLimits",
    "ListSubmissions",
    "GetSubmission",
]
TOKEN = {"Authorization": "Bearer local-token"}
DIGITS = {"competitionName": "digit-recognizer"}
# Of a file of 44 bytes: train.csv
RANGES = {
    "bytes=0-3": (206, "bytes 0-3/44"),
    "bytes=40-": (206, "bytes 40-43/44"),
    "bytes=-4": (206, "bytes 40-43/44"),
    "bytes=40-99": (206, "bytes 40-43/44"),
    "bytes=44-": (416, "bytes */44"),
    "bytes=0-1,4-5": (416, "bytes */44"),
    "bytes=5-2": (400, None),
    "bytes=-": (400, None),
    "bytes=a-b": (400, None),
    "bytes 0-3": (400, None),
    f"bytes={'9' * 5000}-": (400, None),
}


def kaggle(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("kaggle"), "competitions", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def post(local: LocalKaggle, call: str, body: Any, **headers: str) -> requests.Response:
    """Make a call, with `body` as JSON or, if it is bytes, as it is."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = f"http://127.0.0.1:{local.port}/api/v1/competitions.CompetitionApiService/{call}"
    return requests.post(
        address, content, headers=TOKEN | headers, timeout=10, allow_redirects=False
    )


def fetch(local: LocalKaggle, **headers: str) -> requests.Response:
    address = f"http://127.0.0.1:{local.port}/files/train.csv"
    return requests.get(address, headers=headers, timeout=10)


def exchange(local: LocalKaggle, request: bytes) -> bytes:
    """Send bytes that no HTTP library would, and return the whole answer."""
    with socket.create_connection(("127.0.0.1", local.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_kaggles_own_client_downloads_submits_and_lists(
    at_local: FaultyKaggle, tmp_path: Path
) -> None:
    downloaded = kaggle("download", "digit-recognizer", "-p", str(tmp_path))
    assert downloaded.returncode == 0
    assert (tmp_path / "digit-recognizer.zip").read_bytes().startswith(b"PK")

    listed = kaggle("files", "digit-recognizer", "-v")
    rows = [line.split(",")[0] for line in listed.stdout.splitlines()]
    assert rows[-3:] == ["sample_submission.csv", "test.csv", "train.csv"]

    file = write_labels(tmp_path / "three right.csv", [7, 2, 1, 9])
    submitted = kaggle("submit", "digit-recognizer", "-f", str(file), "-m", "a try")
    assert "Successfully submitted" in submitted.stdout
    assert not SDK_HAS_LIMITS or "4 submissions remaining today" in submitted.stdout

    listed = kaggle("submissions", "digit-recognizer", "-v")
    header, row = listed.stdout.strip().splitlines()[-2:]
    shown = dict(zip(header.split(","), row.split(","), strict=True))
    assert shown["fileName"] == "three right.csv"
    assert shown["description"] == "a try"
    assert shown["publicScore"] == "0.75000"


def test_submissions_outlive_the_server(competition_files: Path, tmp_path: Path) -> None:
    solution, kept = competition_files / "solution.csv", tmp_path / "state.json"
    with LocalKaggle(competition_files, solution, state=kept) as first:
        token = first.state.begin_upload("perfect.csv", solution.stat().st_size)
        first.state.uploads[token].content += solution.read_bytes()
        first.state.submit(token, "kept")
        submissions = first.submissions
    with LocalKaggle(competition_files, solution, state=kept) as second:
        assert second.submissions == submissions
        assert second.submissions[0].score == "1.00000"
    kept.write_text('{"submissions": [{"ref": 1}]}')
    with pytest.raises(ValueError, match="submissions"):
        LocalKaggle(competition_files, solution, state=kept)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "kaggle.com"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_web_pages_are_refused(local: FaultyKaggle, headers: dict[str, str]) -> None:
    assert post(local, "GetCompetition", DIGITS).status_code == 200
    refused = post(local, "GetCompetition", DIGITS, **headers)
    assert (refused.status_code, refused.json()["code"]) == (403, 403)
    assert fetch(local, **headers).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"9" * 5000,
        b'{"competitionName":"\\ud800"}',
    ],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_json_object_is_refused(local: FaultyKaggle, call: str, body: bytes) -> None:
    answer = post(local, call, body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("competitionName", 3),
        ("competitionName", None),
        ("fileName", {"name": "a"}),
        ("contentLength", -1),
        ("contentLength", "5"),
        ("contentLength", 0.5),
        ("blobFileTokens", ["token"]),
        ("submissionDescription", False),
        ("page", -2),
        ("pageSize", 10**30),
        ("pageToken", "next"),
        ("pageToken", 20),
        ("ref", True),
    ],
)
def test_fields_of_a_wrong_type_are_refused_by_name(
    local: FaultyKaggle, field: str, value: object
) -> None:
    for call in CALLS:
        answer = post(local, call, DIGITS | {field: value})
        assert answer.status_code == 400
        assert field in answer.json()["message"]


def test_page_minus_one_is_the_first(local: FaultyKaggle) -> None:
    # The version of Kaggle's client on Kaggle's own machines, 2.0.2, asks for it
    token = local.state.begin_upload("a.csv", 0)
    local.state.submit(token, "first")
    answer = post(local, "ListSubmissions", DIGITS | {"page": -1, "pageSize": 20})
    assert [shown["description"] for shown in answer.json()["submissions"]] == ["first"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        [
            "blobFileTokens",
            "contentLength",
            "fileName",
            "page",
            "pageSize",
            "pageToken",
            "ref",
            "submissionDescription",
            "token",
        ],
        JSON,
    ),
)


@given(call=st.sampled_from(CALLS), body=FIELDS | JSON | st.binary(max_size=60))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_breaks_it(local: FaultyKaggle, call: str, body: Any) -> None:
    if isinstance(body, dict):
        body = DIGITS | body
    assert post(local, call, body).status_code in (200, 302, 400, 403, 404)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: -5", 400),
        (b"Content-Length: five", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 401),
        (b"Authorization: Bearer \xff\r\nContent-Length: 2", 401),
        (b"Authorization: Basic ====\r\nContent-Length: 2", 401),
    ],
)
def test_malformed_heads(
    local: FaultyKaggle, capfd: pytest.CaptureFixture[str], head: bytes, status: int
) -> None:
    start = b"POST /api/v1/service/GetCompetition HTTP/1.1\r\nHost: localhost\r\n"
    answer = exchange(local, start + head + b"\r\n\r\n{}")
    assert int(answer.split()[1]) == status
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("wanted", list(RANGES), ids=lambda wanted: wanted[:20])
def test_ranges(local: FaultyKaggle, competition_files: Path, wanted: str) -> None:
    answer = fetch(local, Range=wanted)
    assert (answer.status_code, answer.headers.get("Content-Range")) == RANGES[wanted]
    if answer.status_code == 206:
        first, last = answer.headers["Content-Range"].split()[1].split("/")[0].split("-")
        whole = (competition_files / "train.csv").read_bytes()
        assert answer.content == whole[int(first) : int(last) + 1]


def test_a_range_counts_only_for_the_same_content(local: FaultyKaggle) -> None:
    whole = fetch(local)
    assert whole.headers["Accept-Ranges"] == "bytes"
    etag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]
    for mark in (etag, modified):
        assert fetch(local, Range="bytes=40-", **{"If-Range": mark}).content == whole.content[40:]
    for mark in ('"other"', "Mon, 01 Jan 2001 00:00:00 GMT", "no mark"):
        answer = fetch(local, Range="bytes=40-", **{"If-Range": mark})
        assert (answer.status_code, answer.content) == (200, whole.content)


@pytest.mark.parametrize("name", ["solution.csv", "..%2Fsolution.csv", "../solution.csv", "%00"])
def test_the_hidden_labels_cannot_be_fetched(local: FaultyKaggle, name: str) -> None:
    answer = exchange(local, f"GET /files/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.split()[1] == b"404"
    assert post(local, "DownloadDataFile", DIGITS | {"fileName": name}).status_code == 404


def test_an_upload_comes_whole_in_one_request(local: FaultyKaggle) -> None:
    place = post(
        local, "StartSubmissionUpload", DIGITS | {"fileName": "a.csv", "contentLength": 4}
    ).json()

    def put(body: bytes, **headers: str) -> int:
        return requests.put(place["createUrl"], body, headers=headers, timeout=10).status_code

    tokens = DIGITS | {"blobFileTokens": place["token"]}
    assert put(b"abc") == 400
    assert put(b"abcde") == 400
    assert put(b"cd", **{"Content-Range": "bytes 2-3/4"}) == 400
    assert post(local, "CreateSubmission", tokens).status_code == 400
    assert put(b"abcd") == 200
    assert put(b"abcd") == 200
    assert post(local, "CreateSubmission", tokens).status_code == 200
    place["createUrl"] += "x"
    assert put(b"abcd") == 404


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Submission must have 4 rows"),
        (b"ImageId\n1\n2\n3\n4\n", "Label as integers (Line 2)"),
        (b"ImageId,Label\n1,7\n", "Submission must have 4 rows"),
        (b"ImageId,Label\n1,7\n2,2\n3,1\n4,x\n", "integers (Line 5)"),
        (b"ImageId,Label\n1,7\n2,2\n3\n4,0\n", "integers (Line 4)"),
        (b"ImageId,Label\n1,7\n2,2\n3,1\n5,0\n", "required key value '4'"),
        (b'ImageId,Label\n"' + b"1" * 200_000, "integers (Line 1)"),
        (b"\xff\xfe\x00", "Submission must have 4 rows"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_a_rejection_has_its_reason(local: FaultyKaggle, content: bytes, reason: str) -> None:
    token = local.state.begin_upload("a.csv", len(content))
    local.state.uploads[token].content = content
    submission = local.state.submit(token, "")
    assert submission.score is None
    assert reason in str(submission.error)


@pytest.mark.parametrize("no_proxy", ["", "localhost,10.0.0.0/8", "*"])
def test_serve_says_when_no_proxy_is_in_the_way(home: Path, tmp_path: Path, no_proxy: str) -> None:
    folder = tmp_path / "rehearsal-0"
    folder.mkdir()
    write_labels(folder / "solution.csv", [7, 2])
    command = [sys.executable, "-m", "kit", "serve", "--json", "--data", str(tmp_path)]
    usual = {**os.environ, "NO_PROXY": no_proxy, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, env=usual, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        server.terminate()
        _, said = server.communicate(timeout=30)
    assert told["environment"]["NO_PROXY"] == ""
    assert ("export NO_PROXY= no_proxy=" in said) is bool(no_proxy)


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kit", "serve", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_serve_that_cannot_start(local: FaultyKaggle, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rehearsal-0"
    folder.mkdir()
    write_labels(folder / "solution.csv", [7, 2])
    taken = serve("--data", str(tmp_path), "--port", str(local.port))
    assert taken.returncode == 2
    assert str(local.port) in taken.stderr
    (folder / "local-kaggle.json").write_text("{}}")
    damaged = serve("--data", str(tmp_path))
    assert damaged.returncode == 3
    assert str(folder / "local-kaggle.json") in damaged.stderr
    blocked = tmp_path / "blocked/flask"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('no Flask')")
    path = os.pathsep.join([str(blocked.parent), str(Path(__file__).parents[2])])
    lacking = serve("--data", str(tmp_path), PYTHONPATH=path)
    assert lacking.returncode == 2
    assert "digit-kit[serve]" in lacking.stderr
