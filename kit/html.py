"""HTML from templates, which escape what is put in: reports, and what notebooks show."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SIDE = 28


def render(
    template: str, filters: dict[str, Callable[..., Any]] | None = None, **values: Any
) -> str:
    """Fill in one of the kit's templates, which may use these `filters`, too."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"digit": draw_digit, **(filters or {})}
    return environment.get_template(f"{template}.html.jinja").render(values)


def draw_digit(pixels: Any) -> str:
    """Draw a digit, uint8 (784,), black on white: the data URI of a PNG."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(255 - pixels.reshape(_SIDE, _SIDE)).save(content, "PNG")
    return f"data:image/png;base64,{as_base64(content.getvalue())}"


def as_base64(content: bytes) -> str:
    """Write bytes as the text that HTML takes for them."""
    return base64.b64encode(content).decode()
