"""What a local Kaggle answers to each call, apart from how it travels."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel, to_snake
from werkzeug.exceptions import abort

from kit.local_kaggle.state import CompetitionState, kaggle_date

COMPETITION = "digit-recognizer"
ARCHIVE = f"{COMPETITION}.zip"


class CallRequest(BaseModel):
    """The fields of all calls' requests. Others are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    competition_name: str = ""
    file_name: str = ""
    content_length: int = Field(0, ge=0)
    blob_file_tokens: str = ""
    submission_description: str = ""
    # kaggle 2.0.2 asks for page -1
    page: int = Field(0, ge=-1, lt=10**9)
    page_size: int = Field(0, ge=0, lt=10**9)
    page_token: str = Field("", pattern=r"^[0-9]{0,9}$")
    ref: int = 0
    token: str = ""


class Calls:
    """The calls: `_call_NAME` takes a request, and gives the JSON of the answer."""

    def __init__(self, state: CompetitionState, files: Mapping[str, Path]) -> None:
        self._state, self._files = state, files

    def answer(
        self, name: str, request: object, authorization: str | None, origin: str
    ) -> dict[str, Any]:
        """Answer a call, by a redirect if it has `location`; or abort it in Kaggle's words."""
        method = getattr(self, f"_call_{to_snake(name)}", None)
        if method is None:
            abort(404, f"Not found: {name}")
        try:
            fields = CallRequest.model_validate(request)
        except ValidationError as error:
            wrong = error.errors()[0]
            abort(400, " ".join(map(str, [*wrong["loc"], wrong["msg"]])))
        # This one comes without credentials, because it is about them
        if name != "IntrospectToken":
            self._check_user(authorization)
            if name != "GetSubmission" and fields.competition_name != COMPETITION:
                abort(404, "Not found")
        answer: dict[str, Any] = method(fields)
        for address in {"createUrl", "location"} & set(answer):
            answer[address] = origin + answer[address]
        return answer

    def _check_user(self, authorization: str | None) -> None:
        account = self._state.account
        pair = base64.b64encode(f"{account.username}:{account.key}".encode()).decode()
        if authorization not in (f"Basic {pair}", *(f"Bearer {token}" for token in account.tokens)):
            abort(401, "Unauthenticated")

    def _call_introspect_token(self, request: CallRequest) -> dict[str, Any]:
        account = self._state.account
        active = request.token in account.tokens
        return {"active": active} | ({"username": account.username, "userId": 1} if active else {})

    def _call_get_competition(self, _request: CallRequest) -> dict[str, Any]:
        return {
            "title": "Digit Recognizer",
            "deadline": "2030-01-01T00:00:00Z",
            "maxDailySubmissions": self._state.daily_limit,
            "userHasEntered": True,
        }

    def _call_list_data_files(self, request: CallRequest) -> dict[str, Any]:
        listed = []
        for name in sorted(set(self._files) - {ARCHIVE}):
            status = self._files[name].stat()
            named = {"ref": name, "name": name, "totalBytes": status.st_size}
            listed.append({**named, "creationDate": kaggle_date(status.st_mtime)})
        return _page("files", listed, request)

    def _call_download_data_file(self, request: CallRequest) -> dict[str, Any]:
        if request.file_name not in self._files:
            abort(404, "Not found")
        return {"location": f"/files/{request.file_name}?signed=1"}

    def _call_download_data_files(self, _request: CallRequest) -> dict[str, Any]:
        return {"location": f"/files/{ARCHIVE}?signed=1"}

    def _call_start_submission_upload(self, request: CallRequest) -> dict[str, Any]:
        if not request.file_name:
            abort(400, "A file name is required")
        token = self._state.begin_upload(request.file_name, request.content_length)
        return {"token": token, "createUrl": f"/upload/{token}"}

    def _call_create_submission(self, request: CallRequest) -> dict[str, Any]:
        state = self._state
        with state.lock:
            if state.count_today() >= state.daily_limit:
                used = f"your team has used its daily Submission allowance ({state.daily_limit})"
                abort(400, f"{used} today, please try again tomorrow UTC.")
            try:
                submission = state.submit(request.blob_file_tokens, request.submission_description)
            except KeyError:
                abort(400, "The uploaded file was not found")
        return {"message": "Successfully submitted to Digit Recognizer", "ref": submission.ref}

    def _call_get_submission_limits(self, _request: CallRequest) -> dict[str, Any]:
        state, today = self._state, self._state.count_today()
        left = max(0, state.daily_limit - today)
        return {"numToday": today, "numTotal": len(state.submissions), "numAllowedNow": left}

    def _call_list_submissions(self, request: CallRequest) -> dict[str, Any]:
        page = _page("submissions", self._state.submissions[::-1], request)
        listed = [kept.as_kaggle(self._state.clock()) for kept in page["submissions"]]
        return {**page, "submissions": listed}

    def _call_get_submission(self, request: CallRequest) -> dict[str, Any]:
        known = {submission.ref: submission for submission in self._state.submissions}
        if request.ref not in known:
            abort(404, "Not found")
        return known[request.ref].as_kaggle(self._state.clock())


def _page(key: str, entries: list[Any], request: CallRequest) -> dict[str, Any]:
    size = request.page_size or 20
    start = int(request.page_token or max(0, request.page - 1) * size)
    end = start + size
    return {key: entries[start:end], "nextPageToken": str(end) if end < len(entries) else ""}
