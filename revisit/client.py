"""Asks an exported model what is in some images; prints labels, scores and ancestors.

python -m revisit.client --url=http://localhost:8501/v1/models/NAME cat.jpg dog.png     # REST
python -m revisit.client --url=grpc://localhost:8500/NAME cat.jpg                       # gRPC
python -m revisit.client --model=models/NAME cat.jpg        # the newest exported version; no server
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError
from revisit.serving.predictors import (
    ImageRefusedError,
    Predictor,
    format_labels,
    make_local_predictor,
    make_predictor,
)

_URL = flags.DEFINE_string(
    "url", None, "A served model: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME."
)
_MODEL = flags.DEFINE_string(
    "model", None, "A directory that revisit.export wrote; it is read here, without a server."
)
_TIMEOUT = flags.DEFINE_float(
    "timeout", 60.0, "Seconds to wait for a server's answer to one image.", lower_bound=0.0
)


def _read_image(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the image {path!r}: {error.strerror}") from error


def _predictor() -> Predictor:
    url, model = _URL.value, _MODEL.value
    if url and not model:
        return make_predictor(url, _TIMEOUT.value)
    if model and not url:
        return make_local_predictor(model)
    raise UserError("give either --url=... (a served model) or --model=DIR (an exported one)")


def main(argv: Sequence[str]) -> None:
    """Prints a table for each image named in argv; stops at the first that fails."""
    images = [(path, _read_image(path)) for path in argv[1:]]
    if not images:
        raise UserError("no image is given: name one or more JPEG or PNG files after the flags")
    if _MODEL.value or (_URL.value or "").startswith("grpc://"):
        cli.import_tensorflow()
    predict = _predictor()
    for path, image in images:
        try:
            outputs = predict(image)
        except ImageRefusedError as error:
            raise UserError(f"{path}: {error}") from error
        print(f"{path}\n{format_labels(outputs)}", flush=True)


if __name__ == "__main__":
    cli.run(main)
