"""Whatever happens between the kit and Kaggle, a command makes one submission at most.

Hypothesis draws histories: commands, what becomes of each of their calls, how late Kaggle shows
what, and who else submits meanwhile. The kit's functions run in this process, against the local
Kaggle's state, with a clock that is handed in.
"""

import io
import math
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from runs import SDK_HAS_LIMITS, make_run
from small_competition import LABELS, TEST_ROWS, write_labels
from werkzeug.exceptions import HTTPException

from kit.errors import KitError
from kit.kaggle.answers import Limits
from kit.kaggle.client import Kaggle
from kit.kaggle.credentials import Credential
from kit.kaggle.entry import prepare_entry
from kit.kaggle.exchange import CallFailure, Trouble
from kit.kaggle.history import read_history
from kit.kaggle.receipt import list_receipts, load_receipt
from kit.kaggle.submit import submit, wait_for_score
from kit.local_kaggle.calls import Calls
from kit.local_kaggle.judge import Judge
from kit.local_kaggle.state import CompetitionState

HISTORIES = int(os.environ.get("KIT_TEST_HISTORIES", "300"))
MIDNIGHT = 1_767_312_000.0
GUESSES = [7, 2, 1, 9]
CALLS = (
    "ListSubmissions", "GetSubmissionLimits", "StartSubmissionUpload", "Upload",
    "CreateSubmission", "GetSubmission", "Sleep",
)  # fmt: skip
# What may become of a call: whether it takes effect, and what the kit hears of it
FAILURES: dict[str, Callable[[], BaseException]] = {
    "reset": lambda: CallFailure(Trouble.BROKEN),
    "silence": lambda: CallFailure(Trouble.TIMEOUT),
    "nonsense": lambda: CallFailure(Trouble.NONSENSE),
    "500": lambda: CallFailure(Trouble.STATUS, 500, is_kaggles=True),
    "409": lambda: CallFailure(Trouble.STATUS, 409, is_kaggles=True),
    "a proxy's 403": lambda: CallFailure(Trouble.STATUS, 403),
    "kill -9": lambda: Killed(),
}
WITHOUT_EFFECT: dict[str, Callable[[], BaseException]] = {
    "no connection": lambda: CallFailure(Trouble.NO_CONNECTION),
    "429": lambda: CallFailure(Trouble.STATUS, 429, retry_after=100.0, is_kaggles=True),
    "400": lambda: CallFailure(Trouble.STATUS, 400, is_kaggles=True),
    "401": lambda: CallFailure(Trouble.STATUS, 401, is_kaggles=True),
}


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a call: its failure, if any, and when it takes effect, if it does."""

    failure: str | None = None
    effect: str = "before"
    mate: bool = False


@dataclass(frozen=True)
class Lag:
    """After how many seconds a submission is listed, counted, and known by its ref."""

    listed: float = 0.0
    counted: float = 0.0
    known: float = 0.0


@dataclass(frozen=True)
class Command:
    """`kit submit`: what of, after how long a pause, and what becomes of its calls."""

    of: str = "run"
    again: bool = False
    pause: float = 0.0
    timeout: float = 0.0
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    # In which of its calls another command begins
    other_at: int | None = None


@dataclass(frozen=True)
class History:
    """All that is drawn."""

    commands: list[Command]
    lags: list[Lag] = field(default_factory=list)
    start: float = 30_000.0
    judging: float = 0.0
    daily_limit: int = 50
    has_count: bool = True
    cut: Callable[[str], str] = str


def cut_at(length: int) -> Callable[[str], str]:
    return lambda description: description[:length]


fates = st.one_of(
    st.builds(Fate, st.none(), st.just("before"), st.booleans()),
    st.builds(
        Fate, st.sampled_from([*FAILURES]), st.sampled_from(["never", "before", "late"]),
        st.booleans(),
    ),
    st.builds(Fate, st.sampled_from([*WITHOUT_EFFECT]), st.just("never"), st.booleans()),
)  # fmt: skip
commands = st.builds(
    Command,
    of=st.sampled_from(["run", "run", "run", "copy", "file"]),
    again=st.sampled_from([False, False, True]),
    pause=st.sampled_from([0.0, 5.0, 120.0, 400.0, 599.0, 601.0, 1000.0, 3000.0]),
    timeout=st.sampled_from([0.0, 60.0, 900.0]),
    fates=st.one_of(
        st.fixed_dictionaries({"CreateSubmission": st.lists(fates, min_size=1, max_size=3)}),
        st.dictionaries(st.sampled_from(CALLS), st.lists(fates, max_size=4), max_size=4),
    ),
    other_at=st.one_of(st.none(), st.none(), st.integers(0, 12)),
)
lags = st.builds(
    Lag,
    listed=st.sampled_from([0.0, 30.0, 300.0, 540.0, math.inf]),
    counted=st.sampled_from([0.0, 30.0, 300.0, 540.0]),
    known=st.sampled_from([0.0, 30.0, 540.0]),
)
histories = st.builds(
    History,
    commands=st.lists(commands, min_size=1, max_size=6),
    lags=st.lists(lags, max_size=12),
    start=st.sampled_from([-3000.0, -500.0, -60.0, 30_000.0]),
    judging=st.sampled_from([0.0, 20.0, 3000.0]),
    daily_limit=st.sampled_from([3, 50]),
    has_count=st.sampled_from([True, True, True, False]),
    cut=st.sampled_from([
        str, cut_at(100), cut_at(500), lambda text: " ".join(text.split()), lambda text: f" {text}"
    ]),
)  # fmt: skip


class World:
    """Kaggle's state, seen through a network in which a command's calls meet their fates."""

    def __init__(self, folder: Path, history: History) -> None:
        self.folder, self.history = folder, history
        self.clock = MIDNIGHT + history.start
        write_labels(folder / "solution.csv", LABELS)
        self.state = CompetitionState(Judge(folder / "solution.csv"), None, lambda: self.clock)
        self.state.judging_seconds = history.judging
        self.state.daily_limit = history.daily_limit
        self.calls = Calls(self.state, None)  # type: ignore[arg-type] - there are no downloads
        self.submissions = folder / "submissions"
        self.file = write_labels(folder / "mine.csv", [1, *GUESSES[1:]])
        make_run(self.submissions, GUESSES)
        make_run(self.submissions, GUESSES, name="20260202-120000-copy")
        self.late: list[tuple[float, Callable[[], object]]] = []
        self.told: dict[str, set[int]] = {"run": set(), "file": set()}
        # Of each content: commands with --again that created, and since when an attempt is open
        self.licences = {"run": 0, "file": 0}
        self.open_since: dict[str, float | None] = {"run": None, "file": None}
        self.commands = 0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock, UTC)

    def pass_time(self, seconds: float) -> None:
        end = self.clock + seconds
        for moment, effect in sorted(self.late, key=lambda each: each[0]):
            if moment <= end:
                self.clock = max(self.clock, moment)
                effect()
        self.late = [each for each in self.late if each[0] > end]
        self.clock = end

    def own(self, content: str) -> list[int]:
        """The refs of the submissions of a content."""
        name = "mine.csv" if content == "file" else "submission.csv"
        return [s.ref for s in self.state.submissions if s.file_name == name]

    def mate_submits(self) -> None:
        token = self.state.begin_upload("mate.csv", 4)
        self.state.uploads[token].content += b"mate"
        self.state.submit(token, "wider, deeper")

    def lag(self, ref: int) -> Lag:
        place = [submission.ref for submission in self.state.submissions].index(ref)
        return self.history.lags[place] if place < len(self.history.lags) else Lag()

    def shows(self, ref: int, what: str) -> bool:
        made = next(s.time for s in self.state.submissions if s.ref == ref)
        return self.clock >= made + float(getattr(self.lag(ref), what))

    def answer(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Kaggle's answer, with only what it shows already."""
        if name == "CreateSubmission":
            description = self.history.cut(request["submissionDescription"])
            request = {**request, "submissionDescription": description}
        if name == "GetSubmission" and not self.shows(request["ref"], "known"):
            raise CallFailure(Trouble.STATUS, 404, is_kaggles=True)
        try:
            answer = self.calls.answer(name, request, "Bearer local-token", "http://localhost")
        except HTTPException as refusal:
            said = refusal.code, str(refusal.description)
            raise CallFailure(Trouble.STATUS, *said, is_kaggles=True) from None
        if name == "ListSubmissions":
            shown = [each for each in answer["submissions"] if self.shows(each["ref"], "listed")]
            answer = {**answer, "submissions": shown}
        if name == "GetSubmissionLimits":
            counted = sum(self.shows(s.ref, "counted") for s in self.state.submissions)
            answer = {**answer, "numTotal": counted}
        return answer


class Wire(HTTPAdapter):
    """Takes an upload's bytes."""

    def __init__(self, process: "Process") -> None:
        super().__init__()
        self.process = process

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = request.body
        assert isinstance(body, bytes)

        def take() -> None:
            upload = self.process.world.state.uploads[str(request.url).rsplit("/", 1)[-1]]
            upload.content = type(upload.content)(body)

        try:
            self.process.meet("Upload", take)
        except CallFailure as failure:
            raise requests.ConnectionError(str(failure)) from None
        response = requests.Response()
        response.status_code, response.raw = 200, io.BytesIO(b"")
        return response


class Process(Kaggle):
    """One command's process: a client whose calls meet what was drawn for them."""

    def __init__(self, world: World, command: Command) -> None:
        credential = Credential("token", "KAGGLE_API_TOKEN", secret="local-token")
        super().__init__([credential], timeout=60, tries=3, sleep=self.wait, now=world.now)
        self.world, self.command = world, command
        self.fates = {name: [*fates] for name, fates in command.fates.items()}
        self.content = "file" if command.of == "file" else "run"
        self.n_calls = self.n_creates = self.n_arriving = 0

    def limits(self) -> Limits | None:
        return super().limits() if self.world.history.has_count else None

    def with_timeouts(self, session: requests.Session) -> requests.Session:
        session.mount("http://", Wire(self))
        return session

    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self.meet("Sleep", lambda: None)

    def call_once(self, name: str, **fields: Any) -> dict[str, Any]:
        request = {
            re.sub("_(.)", lambda found: found[1].upper(), key): value
            for key, value in fields.items()
        } | {"competitionName": "digit-recognizer"}
        return self.meet(name, lambda: self.world.answer(name, request))

    def meet(self, name: str, effect: Callable[[], Any]) -> Any:
        """Make a call, as its fate has it."""
        world = self.world
        self.n_calls += 1
        assert self.n_calls < 1000, "the command does not end"
        if self.command.other_at == self.n_calls:
            run_command(world, Command(again=self.n_calls % 2 == 0, of=self.command.of))
        fates = self.fates.get(name)
        fate = fates.pop(0) if fates else Fate()
        if fate.mate:
            world.mate_submits()
        world.pass_time(1.0)
        if name != "CreateSubmission":
            return self.happen(name, fate, effect)
        since = world.open_since[self.content]
        assert since is None or world.clock - since >= 600, "a young attempt was overrun"
        self.n_creates += 1
        world.licences[self.content] += self.command.again and self.n_creates == 1
        is_open = True
        try:
            return self.happen(name, fate, effect)
        except CallFailure as failure:
            is_open = not failure.had_no_effect
            raise
        finally:
            if is_open:
                self.n_arriving += 1
                world.open_since[self.content] = world.clock

    def happen(self, name: str, fate: Fate, effect: Callable[[], Any]) -> Any:
        world = self.world
        failure = {**FAILURES, **WITHOUT_EFFECT}.get(fate.failure or "")
        if failure is None:
            return effect()
        if name == "Sleep" and fate.failure != "kill -9":
            return None
        if fate.effect == "before":
            quietly(effect)
        if fate.effect == "late":
            world.late.append((world.clock + 45, lambda: quietly(effect)))
        raise failure()


def quietly(effect: Callable[[], object]) -> None:
    with suppress(CallFailure):
        effect()


def run_command(world: World, command: Command) -> str:
    """Run a command to its end, check what must hold after each, and say how it ended."""
    world.pass_time(command.pause)
    process = Process(world, command)
    content = process.content
    begun = world.clock
    outcome = "killed"
    try:
        run = {"run": "20260131-120000-tuned", "copy": "20260202-120000-copy"}.get(command.of)
        entry = prepare_entry(
            world.submissions,
            run,
            None if run else world.file,
            "wide " * 120 if command.of == "copy" else None,
            rows=TEST_ROWS,
        )
        attempt = submit(process, entry, lambda _: True, lambda _: None, again=command.again)
        assert attempt is not None
        assert attempt.ref is not None
        tell(world, content, attempt.ref)
        outcome = "submitted"
        wait_for_score(process, attempt, command.timeout)
    except KitError as error:
        already = re.search(r"submitted before as (\d+)", error.what)
        if already:
            tell(world, content, int(already[1]))
        if outcome != "submitted":
            outcome = "open" if "open whether" in error.what else type(error).__name__
    except Killed:
        pass
    world.commands += 1
    assert process.n_arriving <= 1, "a command made two submissions that may have arrived"
    assert len(world.own(content)) <= 1 + world.licences[content], "two submissions"
    # Two minutes of looking, a wait for the score, and three tries of each call
    assert world.clock - begun < 6000, "the command does not end"
    kept = [each for path in list_receipts(world.submissions) for each in load_receipt(path)]
    remembered = [attempt.ref for attempt in kept if attempt.ref is not None]
    assert len(remembered) == len({*remembered}), "one submission was taken for two"
    for content, refs in world.told.items():
        assert refs <= {*world.own(content)}, "told of a submission that is not there"
        assert refs <= {*remembered}, "a submission that was told of is not remembered"
    return outcome


def tell(world: World, content: str, ref: int) -> None:
    world.told[content].add(ref)
    world.open_since[content] = None


@settings(
    max_examples=HISTORIES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories)
# The first one is listed and counted late; or Kaggle never lists it, and gives no count
@example(
    History(
        [Command(fates={"CreateSubmission": [Fate("reset")]}), Command(pause=300.0)],
        [Lag(listed=540.0, counted=540.0)],
    )
)
@example(
    History(
        [Command(fates={"CreateSubmission": [Fate("reset")]}), Command(pause=3000.0)],
        [Lag(listed=math.inf)],
        has_count=False,
    )
)
# Kaggle never lists the first one. A team mate's comes later, and is listed before it is counted
@example(
    History(
        [
            Command(fates={"CreateSubmission": [Fate("reset")]}),
            Command(pause=400.0, fates={"ListSubmissions": [Fate(mate=True)]}),
        ],
        [Lag(listed=math.inf), Lag(counted=540.0)],
    )
)
# A team mate's comes first, and is counted before it is listed; then one that Kaggle never lists
@example(
    History(
        [
            Command(
                fates={"ListSubmissions": [Fate(mate=True)], "CreateSubmission": [Fate("reset")]}
            ),
            Command(pause=700.0),
        ],
        [Lag(listed=300.0), Lag(listed=math.inf)],
    )
)
# One that is judged before it is listed; then an attempt that never arrives
@example(
    History(
        [
            Command(),
            Command(again=True, pause=120.0, fates={"CreateSubmission": [Fate("reset", "never")]}),
            Command(pause=400.0),
        ],
        [Lag(listed=300.0)],
    )
)
def test_never_two_submissions_of_one_command(history: History) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        world = World(Path(folder), history)
        for command in history.commands:
            event(run_command(world, command))
        # Once the faults have ended, nobody is stuck
        world.pass_time(700)
        world.state.daily_limit = 1000
        last = history.commands[-1].of
        content = "file" if last == "file" else "run"
        is_shown = any(world.lag(ref).listed < math.inf for ref in world.own(content))
        is_clear = SDK_HAS_LIMITS and history.has_count and not world.state.submissions
        outcome = run_command(world, Command(last))
        event(f"at the end: {outcome}")
        if is_shown:
            assert world.told[content]
        elif is_clear:
            assert outcome == "submitted"
        else:
            assert outcome in ("submitted", "open", "UsageError")
        assert run_command(world, Command(last, again=True, pause=700)) == "submitted"
        rows, _ = read_history(world.submissions, [])
        listed = {row.attempt.ref for row in rows if row.attempt}
        assert world.told["run"] | world.told["file"] <= listed
        read_history(world.submissions, Process(world, Command()).list_submissions())


MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
