"""What a run was made from: settings, versions, commit, data."""

import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kit.config import TrainConfig
from kit.training.backend import choose_backend
from kit.training.material import Material
from kit.training.split import Rows


def describe(config: TrainConfig, material: Material, rows: tuple[Rows, Rows]) -> dict[str, Any]:
    """Describe what makes a run: settings, versions, commit, and its data's fingerprints."""
    backend = choose_backend()
    packages = ["digit-kit", "keras", "numpy", "tensorflow"]
    packages += [backend] * (backend not in packages)
    return {
        "settings": plain_settings(config),
        "backend": backend,
        **_circumstances(packages, material, rows),
    }


def describe_committee(
    members: list[str], material: Material, rows: tuple[Rows, Rows]
) -> dict[str, Any]:
    """Describe what makes a committee: its members' names, and what `describe` tells of any run."""
    return {"committee": members, **_circumstances(["digit-kit", "numpy"], material, rows)}


def plain_settings(config: TrainConfig) -> dict[str, Any]:
    """A configuration's settings as JSON can hold them, good in whatever folder they are read."""
    settings = config.model_dump(mode="json")
    if config.data is not None:
        settings["data"] = str(config.data.resolve())
    return settings


def _circumstances(
    packages: list[str], material: Material, rows: tuple[Rows, Rows]
) -> dict[str, Any]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in packages},
        "git_commit": _git_commit(),
        "data": material.describe(),
        "rows": {
            "train": len(rows[0]),
            "validation": len(rows[1]),
            "test": 0 if material.kaggle_test is None else len(material.kaggle_test),
        },
    }


def _git_commit() -> str | None:
    """Name the commit of the kit's own checkout, with `-dirty` if it was changed since."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    try:
        described = subprocess.run(
            [
                "git",
                "-C",
                str(checkout),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
