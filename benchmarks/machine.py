"""The machine and the versions that figures were measured with (Linux only)."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def processor() -> str:
    """The name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def memory_gigabytes() -> float:
    """The machine's memory, in GB."""
    total = Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]
    return int(total) * 1024 / 1e9


def versions(backend: str) -> dict[str, str]:
    """The versions of Python and of the packages that figures depend on, by name."""
    packages = ("keras", backend, "numpy", "pandas")
    return {"Python": platform.python_version(), **{name: version(name) for name in packages}}


def describe(backend: str) -> str:
    """Describe the machine and the versions in one paragraph."""
    named = ", ".join(f"{name} {number}" for name, number in versions(backend).items())
    return (
        f"{processor()}, {len(os.sched_getaffinity(0))} cores usable (shared with others), "
        f"{memory_gigabytes():.0f} GB of memory, {platform.system()} {platform.machine()}. "
        f"`KERAS_BACKEND={backend}`; {named}."
    )
