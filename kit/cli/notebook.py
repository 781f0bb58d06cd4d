"""The bar in a notebook. There, rich's own needs ipywidgets, and flickers."""

from typing import Any

from IPython.display import display
from rich.progress import Progress, TaskID

from kit.html import render

_NOTHING = {"text/plain": ""}


class NotebookBar(Progress):
    """Rich's bar, shown as HTML in the place where it was started, until it is stopped."""

    def start(self) -> None:  # noqa: D102
        self._shown = display(_NOTHING, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def refresh(self) -> None:  # noqa: D102
        self._shown.update({"text/html": render("bar", task=self.tasks[0])}, raw=True)

    def update(self, task_id: TaskID, **changes: Any) -> None:  # noqa: D102
        super().update(task_id, **changes, refresh=True)

    def stop(self) -> None:  # noqa: D102
        self._shown.update(_NOTHING, raw=True)
