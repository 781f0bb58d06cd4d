"""Digit Recognizer at Kaggle, through Kaggle's own SDK: the one place that talks to it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.errors import CompetitionError, CredentialsError, KitError, NetworkError
from kit.kaggle.answers import (
    Competition,
    DataFile,
    Limits,
    Submission,
    as_submission,
    in_utc,
)
from kit.kaggle.call_failure import CallFailure, Trouble
from kit.kaggle.credentials import Credential, find_credentials
from kit.kaggle.patience import Patience
from kit.kaggle.refusals import COMPETITION, SUBMISSIONS_PAGE, refused_credential
from kit.kaggle.transfer import Download, Progress, Upload
from kit.kaggle.wire import OnRetry, Wire

_PAGE = 100


def _silent(_done: int, _size: int) -> None:
    return


class Kaggle:
    """The competition and the user's submissions to it. Nothing is sent before the first call.

    Each method raises:
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused.
        NetworkError: the network failed, or no answer came in time that makes sense.
    """

    def __init__(
        self,
        found: list[Credential] | None = None,
        patience: Patience | None = None,
        on_retry: OnRetry | None = None,
    ) -> None:
        """Choose a credential.

        Args:
            found: credentials; those of this machine if None.
            patience: time-outs and tries; those of the environment if None.
            on_retry: told what failed before each wait for another try, and how long it waits.

        Raises:
            CredentialsError: no credential can be used.
            UsageError: the environment sets a time-out to something else than a number.
        """
        self._wire = Wire(
            find_credentials() if found is None else found,
            patience or Patience.from_environment(),
            on_retry,
        )

    @property
    def credential(self) -> Credential:
        """The credential that is used."""
        return self._wire.credential

    @property
    def shadowed(self) -> list[Credential]:
        """Credentials that could be used, but for the one before them."""
        return self._wire.shadowed

    @property
    def patience(self) -> Patience:
        """Time-outs and tries."""
        return self._wire.patience

    def whoami(self) -> str:
        """The user's name, once Kaggle has accepted the credential."""
        doing = "asking whose credential it is"
        if self.credential.kind == "key":
            # for keys there is no such call; any other shows whether they are accepted
            self.competition()
            return self.credential.username or ""
        from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

        request = IntrospectTokenRequest()

        def introspect(client: Any) -> Any:
            request.token = self._wire.secret
            return client.security.oauth_client.introspect_token(request)

        answer = self._wire.call(doing, introspect)
        if not answer.active or not answer.username:
            raise refused_credential(self.credential, self.shadowed)
        return str(answer.username)

    def competition(self) -> Competition:
        """The competition, as it stands to the user."""
        answer = self._call("asking for the competition", "GetCompetition")
        return Competition(
            entered=answer.user_has_entered,
            deadline=in_utc(answer.deadline),
            max_daily_submissions=answer.max_daily_submissions or None,
        )

    def limits(self) -> Limits | None:
        """How many submissions are left, or None if the installed version of the SDK cannot ask."""
        if not hasattr(_requests(), "ApiGetSubmissionLimitsRequest"):
            return None
        answer = self._call("asking for the submissions left", "GetSubmissionLimits")
        return Limits(
            today=answer.num_today,
            total=answer.num_total,
            left=answer.num_allowed_now,
            limited_by_total=answer.limited_by_total,
        )

    def list_files(self) -> list[DataFile]:
        """The competition's files."""
        return [
            DataFile(entry.name or entry.ref, entry.total_bytes)
            for page in self._pages("listing the competition's files", "ListDataFiles")
            for entry in page.files or ()
        ]

    def check_rules(self) -> None:
        """Ask for a file, without fetching it: that needs the rules to be accepted."""
        request = {"file_name": "sample_submission.csv"}
        self._call("giving out the files", "DownloadDataFile", **request).close()

    def download(self, destination: Path, progress: Progress = _silent) -> None:
        """Fetch all of the competition's files as one zip, whole or not at all.

        What came of an earlier transfer that broke off is gone on with.

        Args:
            destination: where the zip will be; its folder must be there.
            progress: told the bytes that are through, and all there are.

        Raises:
            OSError: the zip cannot be written.
        """
        fetch = _method("DownloadDataFiles", competition_name=COMPETITION)
        download = Download(self._wire, lambda: self._wire.call_once(fetch), destination, progress)
        download.run("downloading the competition's files")

    def upload(
        self, content: bytes, file_name: str, modified: int, progress: Progress = _silent
    ) -> str:
        """Send a submission's file, and return the token that stands for it.

        Nothing is submitted by that alone. A transfer that breaks off is gone on with.

        Args:
            content: the file.
            file_name: what it will be called at Kaggle.
            modified: when it was last written, in seconds since 1970.
            progress: told the bytes that are through, and all there are.
        """
        start = _method(
            "StartSubmissionUpload",
            competition_name=COMPETITION,
            content_length=len(content),
            last_modified_epoch_seconds=modified,
            file_name=file_name,
        )

        def begin() -> tuple[str, str]:
            answer = self._wire.call_once(start)
            if not answer.token or not answer.create_url:
                raise CallFailure(Trouble.GARBAGE)
            return answer.token, answer.create_url

        return Upload(self._wire, begin, content, progress).run("uploading the submission's file")

    def create_submission(
        self, token: str, message: str, is_own: Callable[[Submission], bool]
    ) -> int:
        """Make an uploaded file a submission, and return its ref.

        It is sent again only where it cannot have arrived: after a failure that leaves that open,
        the submissions are listed until patience's `settle` is over, and the one that `is_own`
        recognises is taken.

        Args:
            token: what `upload` returned.
            message: the submission's description.
            is_own: whether a submission in Kaggle's list is this one.

        Raises:
            NetworkError: besides the usual, it stays open whether the submission arrived.
        """
        doing = "creating the submission"
        create = _method(
            "CreateSubmission",
            competition_name=COMPETITION,
            blob_file_tokens=token,
            submission_description=message,
        )
        unclear = False

        def once() -> int:
            nonlocal unclear
            try:
                ref = int(self._wire.call_once(create).ref)
                if ref:
                    return ref
                failure = CallFailure(Trouble.GARBAGE)
            except CallFailure as failed:
                failure = failed
            if not failure.never_sent and (failure.is_transient or unclear):
                unclear = True
                found = self._look_for(is_own, settle=failure.is_transient)
                if found is not None:
                    return found
                if failure.may_still_run:
                    raise self._open_question(failure, doing)
            raise failure

        try:
            return self._wire.retry(doing, once)
        except (CompetitionError, CredentialsError) as refusal:
            # what is refused is the last try: an earlier one may have arrived
            if unclear:
                raise self._open_question(refusal, doing) from None
            raise

    def list_submissions(self) -> list[Submission]:
        """All submissions, newest first."""
        return [
            as_submission(entry)
            for page in self._pages("listing the submissions", "ListSubmissions")
            for entry in page.submissions or ()
        ]

    def get_submission(self, ref: int) -> Submission:
        """One submission, as it stands now."""
        return as_submission(self._call("asking for the submission", "GetSubmission", ref=ref))

    def _look_for(self, is_own: Callable[[Submission], bool], settle: bool) -> int | None:
        """The ref of the own submission, looked for until it is there or `settle` is over."""
        deadline = time.monotonic() + (self._wire.patience.settle if settle else 0)
        pause = self._wire.patience.wait
        while True:
            try:
                own = [
                    submission.ref for submission in self.list_submissions() if is_own(submission)
                ]
            except KitError as error:
                raise self._open_question(error, "creating the submission") from None
            if own:
                return own[0]
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(pause, left))
            pause *= 2

    def _open_question(self, failure: CallFailure | KitError, doing: str) -> NetworkError:
        why = failure if isinstance(failure, KitError) else self._wire.explain(failure, doing)
        return NetworkError(
            f"It is open whether Kaggle took the submission: {why.what}",
            "Run the same command again in a few minutes: it first looks whether it is there."
            f" See also {SUBMISSIONS_PAGE}",
        )

    def _call(self, doing: str, name: str, **fields: Any) -> Any:
        if name != "GetSubmission":
            fields["competition_name"] = COMPETITION
        return self._wire.call(doing, _method(name, **fields))

    def _pages(self, doing: str, name: str) -> list[Any]:
        pages, tokens = [], {""}
        fields: dict[str, Any] = {"page": 1} if name == "ListSubmissions" else {}
        while True:
            page = self._call(doing, name, page_size=_PAGE, **fields)
            pages.append(page)
            token = page.next_page_token or ""
            # a server that repeats itself would keep us for ever
            if token in tokens:
                return pages
            tokens.add(token)
            fields = {"page_token": token}


def _method(name: str, **fields: Any) -> Callable[[Any], Any]:
    """A call of the competition's service by its name on the wire, given its request's fields."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)

    def method(client: Any) -> Any:
        request = getattr(_requests(), f"Api{name}Request")()
        for field, value in fields.items():
            setattr(request, field, value)
        return getattr(client.competitions.competition_api_client, snake[1:])(request)

    return method


def _requests() -> Any:
    from kagglesdk.competitions.types import competition_api_service

    return competition_api_service
