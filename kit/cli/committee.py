"""kit committee."""

from typing import Annotated

import typer

from kit.cli.app import app
from kit.cli.console import note, print_json
from kit.cli.options import SUBMISSIONS, Json, Submissions, complete_run
from kit.cli.telling import figures, tell


@app.command(
    epilog="""\b
Examples:
  kit committee 20260131-120000-tuned 20260131-120500-wide
  kit committee submissions/*-tuned --name tuned-committee --json"""
)
def committee(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Two or more runs' names or folders.",
            autocompletion=complete_run,
        ),
    ],
    name: Annotated[str, typer.Option(help="The end of the committee's name.")] = "committee",
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Average what runs predict, and write a run with the result.

    Like any run, it can be validated, checked and submitted. It is validated on the rows that all
    members held out, and what one member has seen, it has seen.
    """
    from kit.runs import find_run
    from kit.training.committee import make_committee

    note("Averaging …")
    members = [find_run(submissions, run) for run in runs]
    run = make_committee(members, submissions, name)
    if json:
        print_json(figures(run))
    else:
        tell(run)
