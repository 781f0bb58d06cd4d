"""The failures of the local Kaggle that the other tests use: that they look as they should."""

import json

import pytest
import requests
from faulty_kaggle import FaultyKaggle


def get(local: FaultyKaggle, **headers: str) -> requests.Response:
    address = f"http://127.0.0.1:{local.port}/files/train.csv"
    return requests.get(address, headers=headers, timeout=10)


def ask(local: FaultyKaggle, call: str, request: dict[str, str]) -> requests.Response:
    address = f"http://127.0.0.1:{local.port}/api/v1/service/{call}"
    authorization = {"Authorization": "Bearer local-token"}
    return requests.post(address, json=request, headers=authorization, timeout=10)


@pytest.mark.parametrize(("way", "coding"), [("chunked", "chunked"), ("closed", None)])
def test_a_transfer_without_its_length(local: FaultyKaggle, way: str, coding: str | None) -> None:
    whole = get(local).content
    local.fail("Download", lengthless=way)
    answer = get(local)
    assert answer.content == whole
    assert answer.headers.get("Transfer-Encoding") == coding
    assert not {"Content-Length", "ETag"} & set(answer.headers)


def test_what_resuming_can_meet(local: FaultyKaggle) -> None:
    whole = get(local)
    etag, rest = whole.headers["ETag"], {"Range": "bytes=40-"}
    local.fail("Resume", 403)
    assert get(local).status_code == 200
    assert get(local, **rest).status_code == 403
    local.fail("Resume", from_start=True)
    answer = get(local, **rest, **{"If-Range": '"another"'})
    assert (answer.status_code, answer.content) == (206, whole.content)
    assert answer.headers["Content-Range"] == "bytes 0-43/44"
    local.fail("Resume", etag='"another"')
    answer = get(local, **rest, **{"If-Range": etag})
    assert (answer.status_code, answer.content) == (206, whole.content[40:])
    assert answer.headers["ETag"] == '"another"'
    assert local.calls == ["Download"] * 5


@pytest.mark.parametrize("how", ["reset_after", "cut_after"])
@pytest.mark.parametrize("n", [0, 10])
def test_a_transfer_that_breaks(local: FaultyKaggle, how: str, n: int) -> None:
    failure = local.fail("Download", **{how: n})
    address = f"http://127.0.0.1:{local.port}/files/train.csv"
    got, told = b"", ""
    with requests.get(address, stream=True, timeout=10) as answer:
        assert answer.headers["Content-Length"] == "44"
        try:
            for block in answer.iter_content(1):
                got += block
        except requests.RequestException as error:
            told = str(error)
    assert ("reset" in told) is (how == "reset_after")
    assert len(got) <= n
    assert how == "reset_after" or (len(got), bool(told)) == (n, True)
    assert failure.reached.is_set()


def test_an_answer_is_changed_lost_or_sent_elsewhere(local: FaultyKaggle) -> None:
    request = {"competitionName": "digit-recognizer"}
    local.fail("GetCompetition", change=lambda answer: answer | {"deadline": "2020-01-01"})
    assert ask(local, "GetCompetition", request).json()["deadline"] == "2020-01-01"
    local.fail("GetCompetition", 307, headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(requests.ConnectionError):
        ask(local, "GetCompetition", request)
    started = {**request, "fileName": "a.csv"}
    token = ask(local, "StartSubmissionUpload", started).json()["token"]
    created = {**request, "blobFileTokens": token}
    failure = local.fail("CreateSubmission", reset_after=0, done=True)
    with pytest.raises(requests.ConnectionError):
        ask(local, "CreateSubmission", created)
    assert failure.reached.is_set()
    assert len(local.submissions) == 1
    local.fail("*", 429, times=2, skip=1, retry_after=3)
    assert [ask(local, "CreateSubmission", created).status_code for _ in range(4)] == [
        200,
        429,
        429,
        200,
    ]
    local.fail("GetCompetition", 503, html=True)
    answer = ask(local, "GetCompetition", request)
    assert (answer.status_code, answer.text[:9]) == (503, "<!DOCTYPE")
    local.fail("GetCompetition", 418, message="a teapot")
    assert json.loads(ask(local, "GetCompetition", request).content)["message"] == "a teapot"
