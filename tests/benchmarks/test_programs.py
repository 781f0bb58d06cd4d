"""Each program can be imported, so it calls nothing that the kit no longer has at that place."""

from importlib import import_module
from pathlib import Path

import pytest

import benchmarks

PROGRAMS = [path.stem for path in Path(benchmarks.__file__).parent.glob("[a-z]*.py")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_import(name: str) -> None:
    assert import_module(f"benchmarks.{name}").__doc__
