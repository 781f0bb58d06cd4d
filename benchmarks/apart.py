"""Measurements in a process of their own, and the memory that a process took."""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Measured = TypeVar("Measured")


def apart(
    function: Callable[Given, Measured], *arguments: Given.args, **named: Given.kwargs
) -> Measured:
    """Call a function in a fresh interpreter, and pass on what it returns or raises."""
    said = ", ".join([*map(str, arguments), *(f"{name}={value}" for name, value in named.items())])
    sys.stderr.write(f"  {function.__name__.strip('_')}({said})\n")
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(function, *arguments, **named).result()


def peak_resident() -> float:
    """The peak resident memory of this process so far, in MB (Linux).

    Not getrusage's, which starts from the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
