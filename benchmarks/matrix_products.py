"""How fast this machine multiplies matrices: what every training is held against."""

from benchmarks.apart import apart
from benchmarks.matrix_rate import LARGE, STEP, Shape, backend_product, numpy_product
from benchmarks.section import Report, Request, Round
from benchmarks.tables import spread, table
from kit.training.backend import load_backend

TITLE = "Matrix products"
SHAPES = {
    "2048 × 2048 × 2048": LARGE,
    "200 × 784 × 800, the first layer of a step": STEP,
    "784 × 200 × 800, its weight gradient": (784, 200, 800),
}


def measure(request: Request) -> Round:
    """Measure NumPy and the backend on each shape: GFLOP/s by shape and by way."""
    shapes = dict(list(SHAPES.items())[1:]) if request.quick else SHAPES
    # Apart, since the threads of one library slow another's down
    by_numpy = apart(_numpy_rates, list(shapes.values()))
    by_backend = apart(_backend_rates, list(shapes.values()))
    return {
        name: {"NumPy": numpy_rate, **backend_rates}
        for name, numpy_rate, backend_rates in zip(shapes, by_numpy, by_backend, strict=True)
    }


def _numpy_rates(shapes: list[Shape]) -> list[float]:
    return [numpy_product(shape).rate() for shape in shapes]


def _backend_rates(shapes: list[Shape]) -> list[dict[str, float]]:
    load_backend()
    return [
        {
            "backend": backend_product(shape, compiled=False).rate(),
            "backend, compiled": backend_product(shape, compiled=True).rate(),
        }
        for shape in shapes
    ]


def report(rounds: list[Round]) -> Report:
    """Tabulate the rates."""
    ways = list(next(iter(rounds[0].values())))
    rows = [
        [shape, *(spread([each[shape][way] for each in rounds], 0) for way in ways)]
        for shape in rounds[0]
    ]
    return Report("GFLOP/s in float32.\n\n" + table(["shape", *ways], rows))
