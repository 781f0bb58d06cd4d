"""The upload of a submission's file: all of it in one request, begun anew where that breaks."""

import requests

from kit.kaggle.client import Kaggle
from kit.kaggle.exchange import CallFailure, Trouble, failure_of, failure_of_response


def upload(kaggle: Kaggle, content: bytes, file_name: str, modified: int) -> str:
    """Upload a file, and return the token that stands for it.

    Args:
        kaggle: where it goes.
        content: the file.
        file_name: what Kaggle calls it.
        modified: when it was last changed, in seconds since 1970.

    Raises:
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused.
        NetworkError: the transfer failed.
    """

    def once() -> str:
        place = kaggle.call_once(
            "StartSubmissionUpload",
            content_length=len(content),
            last_modified_epoch_seconds=modified,
            file_name=file_name,
        )
        try:
            with kaggle.transfer_session() as session:
                answer = session.put(str(place["createUrl"]), content, allow_redirects=False)
        except (OSError, LookupError, ValueError) as error:
            raise failure_of(error) from None
        if answer.status_code >= 400:
            raise transfer_failure(answer)
        is_page = answer.content.lstrip()[:5].lower() in (b"<!doc", b"<html")
        if is_page or answer.status_code not in (200, 201) or not place.get("token"):
            raise CallFailure(Trouble.NONSENSE)
        return str(place["token"])

    return kaggle.retry("uploading the submission's file", once)


def transfer_failure(answer: requests.Response) -> CallFailure:
    """A refused transfer; it went without credentials, so that none of them can be at fault."""
    failure = failure_of_response(answer)
    failure.status = 403 if failure.status == 401 else failure.status
    return failure
