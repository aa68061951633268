"""Load on the exported classifier in a server, over loopback, against its network called in Keras.

    python -m benchmarks.serving_load

The model of benchmarks.export_speed. The server is a process of plain TensorFlow that speaks
TensorFlow Serving's protocols (tests/savedmodel_server.py); JPEGs go in, by gRPC and by REST. One
client asks, and every request is followed by the same work in Keras, from pixels, and by decoding
alone: with the machine's load, only the ratios are steady.
"""

import base64
import contextlib
import functools
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks import table
from benchmarks.export_speed import CROP, make_decoder, make_jpegs, make_keras_model, make_run
from revisit.serving import exporter
from revisit.training.model import LoadedModel, load_model

SERVER = pathlib.Path(__file__).parent.parent / "tests" / "savedmodel_server.py"
REQUESTS = {1: 100, 8: 30, 32: 15}  # by the images of each
NAME = "model"


@contextlib.contextmanager
def _serve(models: str) -> Iterator[tuple[str, str]]:
    """The server's ports for REST and gRPC."""
    process = subprocess.Popen([sys.executable, SERVER, models], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        rest, remote = process.stdout.readline().split()
        yield rest, remote
    finally:
        process.terminate()
        process.wait()


def _make_rest_request(port: str, jpegs: tf.Tensor) -> Callable[[], object]:
    encoded = [base64.b64encode(jpeg).decode() for jpeg in jpegs.numpy()]
    rows = [{"image_bytes": {"b64": text}} for text in encoded]
    url = f"http://127.0.0.1:{port}/v1/models/{NAME}:predict"
    body = json.dumps({"instances": rows}).encode()
    return lambda: urllib.request.urlopen(url, body).read()


def _make_grpc_request(port: str, jpegs: tf.Tensor) -> Callable[[], object]:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = NAME, "serving_default"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(jpegs))
    return functools.partial(stub.Predict, request)


def _measure(loaded: LoadedModel, ports: tuple[str, str], batch_size: int) -> None:
    jpegs = make_jpegs(batch_size)
    pixels = tf.random.stateless_uniform([batch_size, CROP, CROP, 3], (0, 0), -1.0, 1.0)
    ways: dict[str, Callable[[], object]] = {
        "REST": _make_rest_request(ports[0], jpegs),
        "gRPC": _make_grpc_request(ports[1], jpegs),
        "Keras": functools.partial(make_keras_model(loaded).predict_on_batch, pixels),
        "decoding": make_decoder(loaded, jpegs),
    }
    times = dict(zip(ways, table.seconds(list(ways.values()), REQUESTS[batch_size])))
    for way, kept in times.items():
        p50, p99 = np.percentile(kept, [50, 99]) * 1e3
        figures = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {batch_size * 1e3 / p50:.1f} images/s"
        print(f"batch {batch_size}, {way}: {figures}", flush=True)
    _compare(batch_size, {way: float(np.median(kept)) for way, kept in times.items()})


def _compare(batch_size: int, medians: dict[str, float]) -> None:
    whole = medians["Keras"] + medians["decoding"]
    for way in ("gRPC", "REST"):
        name = f"batch {batch_size}, {way}, against Keras plus decoding"
        values = f"{medians[way] * 1e3:.1f} ms", f"{whole * 1e3:.1f} ms"
        table.row(name, *values, medians[way] / whole, "<= 1.1")
    share = medians["decoding"] / medians["gRPC"]
    print(f"batch {batch_size}: decoding takes {share:.0%} of gRPC's time", flush=True)


def main() -> None:
    """Prints the figures of each batch size."""
    table.header(f"served from JPEGs, ResNet-18 at {CROP}")
    with tempfile.TemporaryDirectory() as directory:
        make_run(f"{directory}/run")
        exporter.export(f"{directory}/run", f"{directory}/models/{NAME}")
        loaded = load_model(f"{directory}/run")
        with _serve(f"{directory}/models") as ports:
            for batch_size in REQUESTS:
                _measure(loaded, ports, batch_size)


if __name__ == "__main__":
    main()
