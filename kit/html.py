"""What notebooks show of the kit's objects: HTML from templates, which escape what is put in."""

import base64
import io
from pathlib import Path
from typing import Any


def render(template: str, **values: object) -> str:
    """Fill in one of the kit's templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined)
    environment.filters["picture"] = _picture
    return environment.get_template(f"{template}.html.jinja").render(values)


def _picture(image: Any) -> str:
    """Draw an image, uint8 (h, w), black on white: the data URI of a PNG."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(255 - image).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
