"""Three ways to ask an exported model about one image: REST, gRPC, or the files themselves.

Each is made once and then called with an image's bytes and, for a model that looks at boxes, with
these. The answer holds the image's own part of every output of the signature `serving_default`, as
Python numbers and strings: {"scores": [K], "names": [K], ...}; outputs whose names end in _bytes
are files, as bytes. Of P boxes it is that of the signature `boxes`: {"scores": [P, K], ...}.
"""

import base64
import http.client
import itertools
import json
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from revisit.errors import UserError
from revisit.serving.versions import list_versions

Outputs = dict[str, Any]
Box = tuple[float, float, float, float]  # ymin, xmin, ymax, xmax, in pixels of the image
Boxes = Sequence[Box]


class Predictor(Protocol):
    """Asks about an image; raises ImageRefusedError, and UserError where there is no answer."""

    def __call__(self, image: bytes, boxes: Boxes = ()) -> Outputs: ...


class Request(NamedTuple):
    """Which signature is asked, and its inputs of one image."""

    signature: str
    inputs: dict[str, Any]


def _make_request(image: bytes, boxes: Boxes) -> Request:
    if boxes:
        return Request("boxes", {"image_bytes": image, "boxes": boxes})
    return Request("serving_default", {"image_bytes": image})


MAX_ROWS = 20  # of an image that are printed
LEAST_SCORE = 0.0005  # of a row: one that is less would be printed as 0.000


class ImageRefusedError(UserError):
    """This image is none that can be read."""


# What TensorFlow puts around its own words: where in the graph, and in whose code, it stopped.
_GRAPH_PLACES = re.compile(
    r"Graph execution error:.*<stack traces unavailable>|\[Op:\w+\]|\{\{.*?\}\}|\[\[.*?\]\]",
    re.DOTALL,
)


def _readable(message: str | None) -> str:
    return " ".join(_GRAPH_PLACES.sub(" ", message or "").split())[:300]


NO_BOXES = (
    "the model takes no boxes: only one with the signature 'boxes' does, as a pose model has it"
)


def _refusal(message: str | None) -> UserError:
    # TensorFlow Serving's words, with "key" by gRPC and "name:" by REST.
    if re.search(r'signature \S+ "boxes" not found', message or ""):
        return UserError(NO_BOXES)
    return ImageRefusedError(f"the model cannot read it as JPEG or PNG: {_readable(message)}")


def _rest_error(error: urllib.error.HTTPError, url: str) -> UserError:
    body = error.read().decode(errors="replace")
    try:
        message = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):  # a proxy's page, not the server's answer
        message = body
    if error.code == 404:
        return UserError(
            f"no model at {url}: {_readable(message)}. Is the name in the server's models.config?"
        )
    if error.code == 400:
        return _refusal(message)
    return UserError(f"{url} answered {error.code} {error.reason}: {_readable(message)}")


def make_rest_predictor(url: str, timeout_seconds: float) -> Predictor:
    """Asks TensorFlow Serving's REST interface; url: http://HOST:PORT/v1/models/NAME[/versions/N]."""
    address = url.rstrip("/") + ":predict"

    def predict(image: bytes, boxes: Boxes = ()) -> Outputs:
        signature, inputs = _make_request(image, boxes)
        instance = {name: _to_json(name, value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "instances": [instance]}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
                outputs = json.load(response)["predictions"][0]
                return {name: _from_json(name, value) for name, value in outputs.items()}
        except urllib.error.HTTPError as error:
            raise _rest_error(error, url) from error
        except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
            reason = getattr(error, "reason", error)
            raise UserError(
                f"cannot reach {url}: {reason}. Is the server up, and is this its REST port?"
            ) from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise UserError(
                f"{url} did not answer as TensorFlow Serving does; is it a model's address?"
            ) from error

    return predict


def _grpc_error(error: Any, url: str) -> UserError:
    import grpc

    if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
        return _refusal(error.details())
    if error.code() == grpc.StatusCode.NOT_FOUND:
        return UserError(f"no model at {url}: {_readable(error.details())}")
    return UserError(
        f"cannot reach {url}: {error.code().name}: {_readable(error.details())}. "
        "Is the server up, and is this its gRPC port?"
    )


def make_grpc_predictor(url: str, timeout_seconds: float) -> Predictor:
    """Asks TensorFlow Serving's gRPC interface; url: grpc://HOST:PORT/NAME."""
    # Here and not above: these messages load all of TensorFlow, which the REST client does without.
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    target = urllib.parse.urlsplit(url)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(target.netloc))

    def predict(image: bytes, boxes: Boxes = ()) -> Outputs:
        signature, inputs = _make_request(image, boxes)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = target.path.strip("/")
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto([value]))
        try:
            response = stub.Predict(request, timeout_seconds)
        except grpc.RpcError as error:
            raise _grpc_error(error, url) from error
        arrays = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
        return {name: _to_python(name, array[0]) for name, array in arrays.items()}

    return predict


def make_local_predictor(directory: str) -> Predictor:
    """Loads the newest version in a model's directory with plain TensorFlow; needs no server."""
    versions = list_versions(pathlib.Path(directory))
    if not versions:
        raise UserError(
            f"no exported model in {directory!r}: it holds no numbered version; "
            "python -m revisit.export --workdir=WORKDIR --out=DIR writes one"
        )
    import tensorflow as tf  # here and not above: the REST client does without it

    path = pathlib.Path(directory, str(versions[-1]))
    try:
        model = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"cannot load {path}: {_readable(str(error))}; export the model anew"
        ) from error

    def predict(image: bytes, boxes: Boxes = ()) -> Outputs:
        signature, inputs = _make_request(image, boxes)
        if signature not in model.signatures:
            raise UserError(NO_BOXES)
        tensors = {name: tf.constant([value]) for name, value in inputs.items()}
        try:
            outputs = model.signatures[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise _refusal(error.message) from error
        return {name: _to_python(name, value[0].numpy()) for name, value in outputs.items()}

    return predict


def _is_binary(name: str) -> bool:
    """Whether an output's strings are files and not words: TensorFlow Serving's own rule."""
    return name.endswith("_bytes")


def _to_python(name: str, row: Any) -> Any:
    return row if _is_binary(name) else _decode(row.tolist())


def _decode(value: Any) -> Any:
    """Strings in place of bytes, in lists of any depth."""
    if isinstance(value, list):
        return [_decode(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def _to_json(name: str, value: Any) -> Any:
    return {"b64": base64.b64encode(value).decode()} if _is_binary(name) else value


def _from_json(name: str, value: Any) -> Any:
    return base64.b64decode(value["b64"]) if _is_binary(name) else value


PREDICTORS = {
    "http": make_rest_predictor,
    "https": make_rest_predictor,
    "grpc": make_grpc_predictor,
}


def make_predictor(url: str, timeout_seconds: float) -> Predictor:
    """A predictor for a server's address, http://, https:// or grpc://."""
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme not in PREDICTORS:
        raise UserError(
            f"--url={url!r} names no known protocol: expected http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"
        )
    return PREDICTORS[scheme](url, timeout_seconds)


def _format_pixels(place: Sequence[float]) -> str:
    return " ".join(f"{value:.0f}" for value in place)


def format_labels(outputs: Outputs) -> str:
    """An aligned table of one image's labels, objects or keypoints, the first MAX_ROWS.

    Raises:
      UserError: the answer has neither.
    """
    missing = [name for name in ("scores", "names") if name not in outputs]
    if missing:
        raise UserError(
            f"the model gives no {', '.join(missing)}: only what has both can be printed"
        )
    columns = {
        heading: [form(value) for value in outputs[name]]
        for heading, (name, form) in COLUMNS.items()
        if name in outputs
    }
    found = [score >= LEAST_SCORE for score in outputs["scores"]]
    cells = itertools.compress(zip(*columns.values(), strict=True), found)
    rows = [tuple(columns), *itertools.islice(cells, MAX_ROWS)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


# From a column's heading to the output that fills it, and how its values are written.
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "score": ("scores", "{:.3f}".format),
    "name": ("names", str),
    "title": ("titles", str),
    "ancestors": ("ancestors", str),
    "ymin xmin ymax xmax": ("boxes", _format_pixels),
    "y x": ("keypoints", _format_pixels),
}
