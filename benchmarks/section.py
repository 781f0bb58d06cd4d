"""A section of RESULTS.md: a measurement in rounds, and the page that its report goes to."""

import argparse
import multiprocessing
import shlex
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from benchmarks.machine import describe
from kit.training.backend import choose_backend

RESULTS = Path(__file__).with_name("RESULTS.md")

# What one round has measured
Round = dict[str, Any]
Given = ParamSpec("Given")
Measured = TypeVar("Measured")


def run_section(
    title: str, measure: Callable[[bool], Round], report: Callable[[list[Round]], str]
) -> None:
    """Measure some rounds, as the command line says, and write the section.

    Args:
        title: the section's heading.
        measure: measures all contenders once; if it gets True, only something tiny.
        report: writes the section's text from the rounds, in Markdown.
    """
    parser = argparse.ArgumentParser(description=f"{title}: a section of {RESULTS.name}.")
    parser.add_argument("--rounds", type=int, default=3, help="How often to measure.")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"Measure something tiny, to see whether the program works. {RESULTS.name} stays.",
    )
    given = parser.parse_args()
    backend = choose_backend()
    rounds = []
    for number in range(1, given.rounds + 1):
        sys.stderr.write(f"{title}, round {number} of {given.rounds}\n")
        rounds.append(measure(given.quick))
    command = shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    text = (
        f"{report(rounds)}\n\n"
        f"Rounds: {given.rounds}. Written by `{command}` on {time.strftime('%Y-%m-%d')}.\n"
        f"{describe(backend)}"
    )
    print(text)
    if not given.quick:
        page = RESULTS.read_text(encoding="utf-8")
        RESULTS.write_text(replace_section(page, title, text), encoding="utf-8")


def replace_section(page: str, title: str, text: str) -> str:
    """Put a text under a second-level heading of a page; a new heading goes to the end."""
    head, *sections = page.split("\n## ")
    titles = [section.partition("\n")[0] for section in sections]
    new = f"{title}\n\n{text}\n"
    if title in titles:
        sections[titles.index(title)] = new
    else:
        sections.append(new)
    return "\n## ".join([head, *sections])


def apart(
    function: Callable[Given, Measured], *arguments: Given.args, **named: Given.kwargs
) -> Measured:
    """Call a function in a process of its own, and return what it returns."""
    sys.stderr.write(f"  {', '.join(map(str, arguments))}\n")
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(function, *arguments, **named).result()
