"""What a local Kaggle answers to each call, apart from how it travels."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from kit.local_kaggle.served_files import ServedFiles
from kit.local_kaggle.state import CompetitionState

COMPETITION = "digit-recognizer"
_Method = Callable[[dict[str, Any], str], dict[str, Any]]
# calls that come without credentials, since they are about credentials themselves
OPEN_CALLS = frozenset({"IntrospectToken", "GenerateAccessToken"})
_NO_RULES_DOWNLOAD = (
    "You must accept this competition's rules before you'll be able to download files."
)
_NO_RULES_SUBMIT = "You cannot submit until you accept the competition rules"
_NOT_ENTERED = "Permission 'competitions.participate' was denied"


class Refusal(Exception):  # noqa: N818 - it is what the server answers, not what went wrong in it
    """An answer with an HTTP status of 400 or above, and Kaggle's words for it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Redirect(Exception):  # noqa: N818 - as above
    """An answer that sends the caller to a file."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file


class Calls:
    """The calls by name: each takes the request's JSON and the server's address, and gives JSON."""

    def __init__(self, state: CompetitionState, files: ServedFiles) -> None:
        self._state = state
        self._files = files
        self._methods: dict[str, _Method] = {
            "IntrospectToken": self._introspect_token,
            "GenerateAccessToken": self._generate_access_token,
            "GetCompetition": self._get_competition,
            "ListDataFiles": self._list_data_files,
            "DownloadDataFiles": self._download_data_files,
            "DownloadDataFile": self._download_data_file,
            "StartSubmissionUpload": self._start_submission_upload,
            "CreateSubmission": self._create_submission,
            "GetSubmissionLimits": self._get_submission_limits,
            "ListSubmissions": self._list_submissions,
            "GetSubmission": self._get_submission,
        }

    def answer(
        self, name: str, request: dict[str, Any], authorization: str | None, origin: str
    ) -> dict[str, Any]:
        """Answer a call.

        Raises:
            Refusal: Kaggle would refuse it.
            Redirect: the answer is a file elsewhere.
        """
        method = self._methods.get(name)
        if method is None:
            raise Refusal(404, f"Not found: {name}")
        if name not in OPEN_CALLS:
            self._authenticate(authorization)
        return method(request, origin)

    def _authenticate(self, authorization: str | None) -> None:
        account = self._state.account
        scheme, _, value = (authorization or "").partition(" ")
        if scheme == "Bearer" and value in account.tokens:
            return
        pair = f"{account.username}:{account.key}".encode()
        if scheme == "Basic" and value == base64.b64encode(pair).decode("ascii"):
            return
        raise Refusal(401, "Unauthenticated")

    def _participate(self, request: dict[str, Any], no_rules: str) -> None:
        account = self._state.account
        if request.get("competitionName") != COMPETITION or not account.entered:
            raise Refusal(403, _NOT_ENTERED)
        if not account.rules_accepted:
            raise Refusal(403, no_rules)

    def _know(self, request: dict[str, Any]) -> None:
        if request.get("competitionName") != COMPETITION:
            raise Refusal(404, "Not found")

    def _introspect_token(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        account = self._state.account
        if request.get("token") not in account.tokens:
            return {"active": False}
        return {"active": True, "username": account.username, "userId": 1}

    def _generate_access_token(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        account = self._state.account
        if request.get("refreshToken") != account.refresh_token:
            raise Refusal(401, "Unauthenticated")
        token = f"local-oauth-token-{len(account.tokens)}"
        account.tokens.add(token)
        return {"token": token, "expiresIn": 43_200, "userName": account.username, "userId": 1}

    def _get_competition(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        self._know(request)
        return {
            "id": 3004,
            "ref": f"https://www.kaggle.com/competitions/{COMPETITION}",
            "title": "Digit Recognizer",
            "deadline": "2030-01-01T00:00:00Z",
            "maxDailySubmissions": self._state.daily_limit,
            **({"userHasEntered": True} if self._state.account.entered else {}),
        }

    def _list_data_files(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        self._know(request)
        served = []
        for name in self._files.names():
            file = self._files.get(name)
            if file is not None:
                date = file.modified.replace(tzinfo=None).isoformat(timespec="milliseconds")
                entry = {"ref": name, "name": name, "totalBytes": file.size}
                served.append({**entry, "creationDate": f"{date}Z"})
        page, token = self._page(served, request)
        return {"files": page, "nextPageToken": token}

    def _download_data_files(self, request: dict[str, Any], _origin: str) -> NoReturn:
        self._participate(request, _NO_RULES_DOWNLOAD)
        raise Redirect(f"{COMPETITION}.zip")

    def _download_data_file(self, request: dict[str, Any], _origin: str) -> NoReturn:
        self._participate(request, _NO_RULES_DOWNLOAD)
        if request.get("fileName") not in self._files.names():
            raise Refusal(404, "Not found")
        raise Redirect(str(request["fileName"]))

    def _start_submission_upload(self, request: dict[str, Any], origin: str) -> dict[str, Any]:
        self._participate(request, _NO_RULES_SUBMIT)
        if not request.get("fileName"):
            raise Refusal(400, "A file name is required")
        size = request.get("contentLength", 0)
        token = self._state.begin_upload(request["fileName"], size)
        return {"token": token, "createUrl": f"{origin}/upload/{token}"}

    def _create_submission(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        self._participate(request, _NO_RULES_SUBMIT)
        state = self._state
        with state.lock:
            if state.count_today() >= state.daily_limit:
                allowance = (
                    f"your team has used its daily Submission allowance ({state.daily_limit})"
                )
                again = "today, please try again tomorrow UTC"
                raise Refusal(400, f"Submission not allowed: {allowance} {again}.")
            try:
                submission = state.submit(
                    request.get("blobFileTokens", ""), request.get("submissionDescription", "")
                )
            except KeyError:
                raise Refusal(400, "The uploaded file was not found") from None
        return {"message": "Successfully submitted to Digit Recognizer", "ref": submission.ref}

    def _get_submission_limits(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        self._know(request)
        state = self._state
        if not state.account.entered:
            return {}
        today = state.count_today()
        return {
            "numToday": today,
            "numTotal": len(state.submissions),
            "numAllowedNow": max(0, state.daily_limit - today),
        }

    def _list_submissions(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        self._know(request)
        state = self._state
        now = state.clock()
        with state.lock:
            newest_first = state.submissions[::-1]
        page, token = self._page(newest_first, request)
        submissions = [kept.as_kaggle(state.account.username, now) for kept in page]
        return {"submissions": submissions, "nextPageToken": token}

    def _get_submission(self, request: dict[str, Any], _origin: str) -> dict[str, Any]:
        state = self._state
        with state.lock:
            for submission in state.submissions:
                if submission.ref == request.get("ref"):
                    return submission.as_kaggle(state.account.username, state.clock())
        raise Refusal(404, "Not found")

    @staticmethod
    def _page(entries: list[Any], request: dict[str, Any]) -> tuple[list[Any], str]:
        size = request.get("pageSize") or 20
        if request.get("pageToken"):
            start = int(request["pageToken"])
        else:
            start = (max(1, request.get("page") or 1) - 1) * size
        end = start + size
        return entries[start:end], str(end) if end < len(entries) else ""


def http_date(moment: datetime) -> str:
    """A moment as HTTP's headers word it."""
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
