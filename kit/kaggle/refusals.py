"""What failed exchanges with Kaggle mean to a person, and what to do about them."""

from datetime import UTC, datetime

from kit.errors import CompetitionError, CredentialsError, KitError, NetworkError
from kit.kaggle.call_failure import CallFailure, Trouble
from kit.kaggle.credentials import SETTINGS_PAGE, Credential

COMPETITION = "digit-recognizer"
COMPETITION_PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
RULES_PAGE = f"{COMPETITION_PAGE}/rules"
SUBMISSIONS_PAGE = f"{COMPETITION_PAGE}/submissions"
ACCEPT_RULES = f"Sign in and accept the rules at {RULES_PAGE}, then run the command again."
ENTER = f"Press Join Competition at {COMPETITION_PAGE} and accept its rules at {RULES_PAGE}."
_NETWORK = "Check the network connection, then run the command again."
_LATER = "Nothing was lost: run the command again in a few minutes."


def explain(
    failure: CallFailure, doing: str, credential: Credential, shadowed: list[Credential]
) -> KitError:
    """Tell a failed exchange: what and where in one line, the remedy in another.

    Args:
        failure: the last try.
        doing: what it was to do, such as `listing the competition's files`.
        credential: what it was tried with.
        shadowed: usable credentials that were not used because of that one.
    """
    if failure.status is None or failure.trouble is not Trouble.STATUS:
        return _network_error(failure, doing)
    said = f": {failure.words}" if failure.words else ""
    told = f"Kaggle refused {doing} ({failure.status}){said}."
    if failure.status == 401:
        return refused_credential(credential, shadowed)
    if failure.status == 403:
        return CompetitionError(told, _forbidden_remedy(failure.words.lower()))
    if failure.status == 404:
        return CompetitionError(told, f"See whether {COMPETITION_PAGE} opens in a browser.")
    if failure.status == 429:
        seconds = failure.retry_after
        wait = "a few minutes" if seconds is None else f"{seconds:.0f} seconds"
        return CompetitionError(told, f"Too many requests: wait {wait}, then run it again.")
    if failure.status >= 500:
        return NetworkError(f"Kaggle's server failed {doing} ({failure.status}){said}.", _LATER)
    if "allowance" in failure.words.lower():
        return CompetitionError(told, limit_remedy())
    return CompetitionError(told, f"kit doctor looks for the cause; see also {COMPETITION_PAGE}")


def refused_credential(credential: Credential, shadowed: list[Credential]) -> CredentialsError:
    """Tell that Kaggle does not take a credential, and what it stands in the way of."""
    shadows = f"; it shadows the {shadowed[0]}" if shadowed else ""
    what = f"Kaggle does not accept the {credential} (401): it has expired or is wrong{shadows}."
    if credential.kind == "oauth":
        remedy = "Log in anew with: kaggle auth login"
    else:
        word = {"token": "token", "key": "key"}[credential.kind]
        remedy = f"Make a new {word} at {SETTINGS_PAGE} and put it into {credential.place}"
        if shadowed:
            verb = "remove" if credential.path else "unset"
            remedy += f", or {verb} {credential.place} to use the other"
    return CredentialsError(what, remedy)


def limit_remedy() -> str:
    """When the day's submissions come back: Kaggle counts from midnight to midnight UTC."""
    now = datetime.now(UTC)
    minutes = 24 * 60 - (now.hour * 60 + now.minute)
    left = f"in {minutes // 60} h {minutes % 60} min"
    return f"Wait until midnight UTC ({left}), then run it again; see {SUBMISSIONS_PAGE}"


def _forbidden_remedy(words: str) -> str:
    if "rules" in words:
        return ACCEPT_RULES
    if "participate" in words:
        return ENTER
    return f"kit doctor looks for the cause; see also {COMPETITION_PAGE}"


def _network_error(failure: CallFailure, doing: str) -> NetworkError:
    if failure.trouble is Trouble.NO_NAME:
        return NetworkError(f"Kaggle's address was not found, {doing}.", _NETWORK)
    if failure.trouble is Trouble.NO_CONNECTION:
        return NetworkError(f"No connection to Kaggle, {doing}.", _NETWORK)
    if failure.trouble is Trouble.NO_TRUST:
        return NetworkError(
            f"Kaggle's certificate could not be trusted, {doing}.",
            "Check the clock; behind a company's proxy, name its certificates in"
            " REQUESTS_CA_BUNDLE.",
        )
    if failure.trouble is Trouble.TIMEOUT:
        return NetworkError(f"Kaggle did not answer in time, {doing}.", _LATER)
    if failure.trouble is Trouble.BROKEN:
        return NetworkError(f"The connection to Kaggle broke off, {doing}.", _LATER)
    return NetworkError(
        f"Something other than Kaggle's answer came back, {doing}.",
        "A proxy or a sign-in page may stand in between: open https://www.kaggle.com in a browser.",
    )
