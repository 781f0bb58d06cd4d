"""The page's server side, on Flask: strokes come in, and what the run reads goes out."""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field, ValidationError

# First, because they say what to do where Flask or scikit-image is missing
from kit.loopback import read_body  # isort: skip
from kit.data.photos import cut_digit  # isort: skip

from flask import Flask, Response, abort, render_template, request

from kit.data.digits import Digits
from kit.errors import DataError
from kit.html import draw_digit

# Of the box that is drawn in, whatever its size on the screen, and of the paper around it
SIZE, MARGIN = 280, 40
# As thick beside a large digit as MNIST's
PEN = 20
LARGEST_BODY = 64 * 1024
# Only what this server sends, and no page in a frame around it
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_Place = Annotated[int, Field(ge=0, lt=SIZE)]
_Stroke = Annotated[list[tuple[_Place, _Place]], Field(min_length=1)]


class Drawing(BaseModel):
    """What was drawn: strokes of points (x, y) from 0 to 279, from the left and from the top."""

    model_config = ConfigDict(strict=True, extra="forbid")

    strokes: list[_Stroke]


def make_app(run: str, predict: Callable[[Digits], NDArray[np.float32]]) -> Flask:
    """Make the app: the page at `/`, and `/read`, which reads a drawing.

    `run` is the name that the page shows. `predict` turns digits into probabilities, float32
    (n, 10); it is called by one thread at a time, first here, so that it is fast from then on.
    """
    app, lock = Flask(__name__), threading.Lock()
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    @app.get("/")
    def show() -> str:
        return render_template("draw.html", run=run, size=SIZE, pen=PEN)

    @app.post("/read")
    def read() -> dict[str, Any]:
        if request.mimetype != "application/json":
            abort(415, "Expected application/json")
        try:
            drawing = Drawing.model_validate_json(read_body())
        except ValidationError:
            abort(400, "Expected strokes: lists of points")
        with lock:
            return read_drawing(drawing, predict)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    read_drawing(Drawing(strokes=[[(140, 40), (140, 240)]]), predict)
    return app


def read_drawing(
    drawing: Drawing, predict: Callable[[Digits], NDArray[np.float32]]
) -> dict[str, Any]:
    """Read a drawing: the answer as JSON has it.

    It is `digit`, the ten `probabilities`, and `image`, the data URL of the 28×28 picture, black on
    white; or, if this is not one digit, only `problem`, which says why.
    """
    try:
        pixels = cut_digit(draw(drawing))
    except DataError as error:
        return {"problem": error.what}
    (probabilities,) = predict(Digits(pixels[np.newaxis], None, "drawing"))
    return {
        "digit": int(probabilities.argmax()),
        "probabilities": probabilities.tolist(),
        "image": draw_digit(pixels),
    }


def draw(drawing: Drawing) -> NDArray[np.uint8]:
    """Draw it, dark on light, with paper around it: uint8 (360, 360)."""
    side = SIZE + 2 * MARGIN
    paper = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(paper)
    for stroke in drawing.strokes:
        points = [(x + MARGIN, y + MARGIN) for x, y in stroke]
        pen.line(points, fill=0, width=PEN)
        # Round ends and corners, as on the page
        for point in points:
            pen.circle(point, PEN / 2, fill=0)
    return np.asarray(paper)
