"""Who does which trial: planned as a ticket, claimed once, tried again if its worker dies.

Optuna's GridSampler may give one grid point to two workers at once, as its documentation says, and
`Study.optimize` begins a trial too many where several workers reach the end together. Here a point
is a waiting trial, which the database gives to one worker alone.
"""

import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from kit.search.storage import PatientStorage

TICKET, REASON, INTERRUPTED = "ticket", "reason", "interrupted"
# So many workers of one command may die of one trial before it is held to be the trial's fault
DEATHS = 3
_TWIN = "planned twice"


@dataclass(frozen=True)
class Point:
    """What a planned trial is to try.

    Attributes:
        params: hyperparameters that are decided already; a sampler chooses the others.
        distributions: one for each of those.
        attributes: whatever else is to be known of it, as JSON can hold it.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Tickets:
    """A study's planned trials.

    Attributes:
        study: the study, which maximises.
        storage: where it is kept.
        only: the tickets to do, or None for all; others may wait in the study for somebody else.
        since: the number of the first trial whose death counts. Those before may have died because
            somebody killed an earlier command.
    """

    def __init__(
        self,
        storage: PatientStorage,
        study: optuna.Study,
        only: frozenset[str] | None = None,
        since: int | None = None,
    ) -> None:
        self.storage, self.study, self.only = storage, study, only
        self.since = len(study.get_trials(deepcopy=False)) if since is None else since
        self._study_id = storage.get_study_id_from_name(study.study_name)

    def trial_id(self, trial: FrozenTrial | Trial) -> int:
        """The number by which the storage, rather than the study, knows a trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)

    def plan(self, points: Mapping[str, Point], *, again: bool = False) -> None:
        """Plan those of the points, named by their tickets, that are not planned yet.

        Args:
            points: what to try under each ticket.
            again: plan what failed once more.
        """
        with self.storage.exclusive(self.study.study_name):
            planned = self._by_ticket()
            for ticket, point in points.items():
                if any(not again or trial.state != TrialState.FAIL for trial in planned[ticket]):
                    continue
                self.study.add_trial(
                    create_trial(
                        state=TrialState.WAITING,
                        params=dict(point.params),
                        distributions=dict(point.distributions),
                        user_attrs={TICKET: ticket, **point.attributes},
                    )
                )

    def claim(self) -> Trial | None:
        """Take a waiting trial that no other worker gets, or None where none waits."""
        for waiting in self.trials(TrialState.WAITING):
            trial_id = self.trial_id(waiting)
            # Before it runs: Optuna never finds a running trial that had no heartbeat at all
            self.storage.record_heartbeat(trial_id)
            try:
                if not self.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    continue
            except UpdateFinishedTrialError:
                continue
            trial = Trial(self.study, trial_id)
            if not self._has_twin(waiting):
                return trial
            # A connection was lost between a planning and the news of it, so it was repeated
            trial.set_user_attr(REASON, _TWIN)
            self.study.tell(trial, state=TrialState.FAIL)
        return None

    def restock(self) -> None:
        """Plan again what a dead worker, or an interrupted one, left undone."""
        if self.storage.is_settled:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                fail_stale_trials(self.study)
        if not self._undone():
            return
        with self.storage.exclusive(self.study.study_name), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            plan_again = RetryHeartbeatStaleTrialCallback()
            for trial in self._undone():
                plan_again(self.study, trial)

    def is_open(self) -> bool:
        """Whether any trial waits or runs."""
        return bool(self.trials(TrialState.WAITING, TrialState.RUNNING))

    def closed(self) -> set[str]:
        """The tickets that nothing more is done about: finished, failed or given up."""
        finished = {
            ticket
            for ticket, trials in self._by_ticket().items()
            if all(trial.state.is_finished() for trial in trials)
        }
        return finished - {trial.user_attrs[TICKET] for trial in self._undone()}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials of the tickets, in these states, or all; but none that was planned twice."""
        return [
            trial
            for trial in self.study.get_trials(deepcopy=False, states=states or None)
            if TICKET in trial.user_attrs
            and (self.only is None or trial.user_attrs[TICKET] in self.only)
            and trial.user_attrs.get(REASON) != _TWIN
        ]

    def _undone(self) -> list[FrozenTrial]:
        undone = []
        for trials in self._by_ticket().values():
            # An earlier one may have failed by itself, and been wanted again
            if any(t.state != TrialState.FAIL for t in trials) or REASON in trials[-1].user_attrs:
                continue
            deaths = sum(t.number >= self.since and not was_interrupted(t) for t in trials)
            if deaths < DEATHS:
                undone.append(trials[-1])
        return undone

    def _has_twin(self, trial: FrozenTrial) -> bool:
        earlier = self._by_ticket()[trial.user_attrs[TICKET]]
        return any(t.number < trial.number and t.state != TrialState.FAIL for t in earlier)

    def _by_ticket(self) -> dict[str, list[FrozenTrial]]:
        trials: dict[str, list[FrozenTrial]] = defaultdict(list)
        for trial in self.trials():
            trials[trial.user_attrs[TICKET]].append(trial)
        return trials


def was_interrupted(trial: FrozenTrial) -> bool:
    """Whether its worker was told to stop."""
    # Attributes are handed on to the trial that repeats it, hence the number
    return bool(trial.user_attrs.get(INTERRUPTED) == trial.number)


def failure_reason(trial: FrozenTrial) -> str:
    """Why a failed trial failed, in one line."""
    told = trial.user_attrs.get(REASON)
    return str(told or ("interrupted" if was_interrupted(trial) else "its worker died"))
