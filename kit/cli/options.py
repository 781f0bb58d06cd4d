"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Submissions = Annotated[
    Path, typer.Option(envvar="KIT_SUBMISSIONS", help="The folder of the runs.", file_okay=False)
]
SUBMISSIONS = Path("submissions")
