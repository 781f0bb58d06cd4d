"""kit report: a page to look at."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import command
from kit.cli.options import SUBMISSIONS, Json, MovedData, Submissions, complete_run_name
from kit.cli.output import note, print_facts
from kit.errors import UsageError, visible


@command(
    "kit report --open",
    "kit report 20260131-120000-tuned",
    "kit report 20260131-120000-tuned 20260131-120500-wide --output compared.html",
)
def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Several are compared. [default: the newest]",
            autocompletion=complete_run_name,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="The file. [default: report.html in the run's folder]"),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    data: MovedData = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Write a page about a run, or about several beside each other.

    It is one HTML file that needs no network: the learning curve, the mistakes, what is confused
    with what, how sure the run is, and what its submission would be at Kaggle.
    """
    if len(runs or ()) > 1 and output is None:
        what = "A report of several runs belongs to no run's folder."
        raise UsageError(what, "Say where to write it with: --output compared.html")
    from kit.evaluation.report import write_report
    from kit.kaggle.receipt import RECEIPT, load_receipt
    from kit.runs import Run, find_run

    def read_receipt(run: Run) -> list[dict[str, object]]:
        return [attempt.model_dump(mode="json") for attempt in load_receipt(run.folder / RECEIPT)]

    found = [find_run(submissions, run) for run in runs or (None,)]
    path = output or found[0].folder / "report.html"
    facts = write_report(found, path, read_receipt, data)
    left_out = [{"run": run["name"], **each} for run in facts["runs"] for each in run["left_out"]]
    pairs = [{k: v for k, v in pair.items() if k != "pictures"} for pair in facts["pairs"]]
    told = {"runs": [run.name for run in found], "pairs": pairs, "left_out": left_out}
    print_facts({"report": path, **told}, [visible(str(path))], as_json=json)
    for each in left_out:
        note(visible(f"{each['run']}, without its {each['section']}: {each['what']}"))
        note(visible(each["remedy"]))
    if open_it:
        import webbrowser

        if not webbrowser.open(path.absolute().as_uri()):
            note("No browser was found to open it in.")
