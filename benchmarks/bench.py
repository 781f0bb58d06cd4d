"""Measure the kit against plain Keras, pandas and this machine's arithmetic; write RESULTS.md.

    python -m benchmarks.bench --work DIR

Each round measures all contenders of a section one after the other; figures are medians over
rounds, and comparisons are made within a round. What a round has measured is kept in the work
folder, so an interrupted command goes on when it is repeated.
"""

import argparse
import hashlib
import shlex
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import cast

import kit
from benchmarks.kept_rounds import KeptRounds
from benchmarks.machine import describe, versions
from benchmarks.section import Report, Request, Section
from kit.training.backend import choose_backend

SECTIONS = (
    "matrix_products",
    "epochs",
    "time_to_accuracy",
    "csv_reading",
    "start_up",
    "predicting",
    "memory",
    "scaling",
)
# The base program's network with a third of the units, and a faster way to learn
SPRINT = 'baseline:2:hidden=[256]:optimizer="adam":learning_rate=0.005:schedule="one_cycle"'
LADDER = (
    "plain:120",
    "baseline:120",
    SPRINT,
    "quick:2",
    "quick:4",
    "quick:8",
    "quick",
    "tuned:16",
)
QUICK_LADDER = ("baseline:2", "quick:1")
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Measure what is asked for and not yet there, and write the page."""
    given = _parser().parse_args()
    ladder = tuple(given.ladder or (QUICK_LADDER if given.quick else LADDER))
    request = Request(quick=given.quick, ladder=ladder)
    backend = choose_backend()
    asked = {
        "quick": given.quick,
        "backend": backend,
        "versions": versions(backend),
        "kit": _fingerprint(),
    }
    reports: dict[str, Report] = {}
    for name in SECTIONS:
        section = cast("Section", import_module(f"benchmarks.{name}"))
        trained = {"ladder": list(ladder)} if name == "time_to_accuracy" else {}
        kept = KeptRounds(given.work / f"{name}.json", asked | trained)
        wanted = given.repeats if name in (given.only or SECTIONS) else 0
        for done in range(len(kept.rounds), wanted):
            sys.stderr.write(f"{section.TITLE}, round {done + 1} of {wanted}\n")
            began = time.monotonic()
            kept.add(section.measure(request))
            sys.stderr.write(f"  {time.monotonic() - began:.0f} s\n")
        if kept.rounds:
            report = section.report(kept.rounds)
            rounds = "1 round" if len(kept.rounds) == 1 else f"{len(kept.rounds)} rounds"
            text = f"## {section.TITLE}\n\n{report.text}\n\n{rounds.capitalize()}."
            reports[name] = report._replace(text=text)
    page = given.work / RESULTS.name if given.quick else RESULTS
    page.write_text(_page(list(reports.values()), describe(backend)))
    sys.stderr.write(f"{page}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        help="Where rounds are kept; with the same folder, the command goes on.",
    )
    parser.add_argument("--repeats", type=int, default=3, help="Rounds of each section.")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        metavar="SECTION",
        help=f"Measure only these; of others, show what is kept. {', '.join(SECTIONS)}.",
    )
    parser.add_argument(
        "--ladder",
        nargs="+",
        metavar="PRESET[:EPOCHS][:SETTING=JSON]",
        help="Trainings of the race to an accuracy; plain[:EPOCHS] is the base program's script. "
        f"[default: {' '.join(LADDER)}]",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="Measure something tiny, to see whether all works; its page stays in the work folder.",
    )
    return parser


def _fingerprint() -> str:
    # What was measured of another kit, even of one that nobody committed, does not count
    digest = hashlib.sha256()
    for path in sorted(Path(kit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _page(reports: list[Report], machine: str) -> str:
    command = shlex.join(["python", "-m", "benchmarks.bench", *sys.argv[1:]])
    headlines = [f"- {line}" for report in reports for line in report.headlines]
    method = (
        "Contenders take turns, each training in a process of its own; figures are medians over "
        "rounds (lowest–highest), and comparisons are made within a round, since the speed of a "
        "shared machine drifts."
    )
    parts = [
        "# Benchmarks",
        f"Written by `{command}` on {time.strftime('%Y-%m-%d')}.",
        machine,
        method,
        *(["\n".join(headlines)] if headlines else []),
        *(report.text for report in reports),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
