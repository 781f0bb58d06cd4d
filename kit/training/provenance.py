"""What a run is made from: settings, versions, commit, data."""

import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from kit.config import TrainConfig
from kit.files import checkout
from kit.runs import FORMAT
from kit.training.backend import choose_backend
from kit.training.dataset import Dataset
from kit.training.split import Rows


def describe(config: TrainConfig, dataset: Dataset, rows: tuple[Rows, Rows]) -> dict[str, Any]:
    """Return a run's `config.json`: settings, versions, commit, fingerprints of the data."""
    backend = choose_backend()
    packages = ["digit-kit", "keras", "numpy", "tensorflow"]
    packages += [backend] * (backend not in packages)
    return {
        "settings": plain_settings(config),
        "backend": backend,
        **_circumstances(packages, dataset, rows),
    }


def describe_committee(
    members: list[str], dataset: Dataset, rows: tuple[Rows, Rows]
) -> dict[str, Any]:
    """Return a committee's `config.json`: its members' names, versions, commit, fingerprints."""
    return {"committee": members, **_circumstances(["digit-kit", "numpy"], dataset, rows)}


def plain_settings(config: TrainConfig) -> dict[str, Any]:
    """Return settings for JSON, with an absolute path so that they are good in any folder."""
    settings = config.model_dump(mode="json")
    if config.data is not None:
        settings["data"] = str(config.data.resolve())
    return settings


def _circumstances(
    packages: list[str], dataset: Dataset, rows: tuple[Rows, Rows]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in packages},
        "git_commit": _git_commit(),
        "data": dataset.describe(),
        "rows": {
            "train": len(rows[0]),
            "validation": len(rows[1]),
            "test": 0 if dataset.test is None else len(dataset.test),
        },
    }


def _git_commit() -> str | None:
    """The commit of the kit's own checkout, with `-dirty` if files have changed since."""
    folder = checkout()
    if folder is None:
        return None
    try:
        described = subprocess.run(
            [
                "git",
                "-C",
                str(folder),
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
