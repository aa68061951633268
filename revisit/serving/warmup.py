"""Requests that TensorFlow Serving runs when it loads a version: no user meets a cold model.

TFRecords of PredictionLog, https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

WARMUP_PATH = "assets.extra/tf_serving_warmup_requests"


def warmup_requests(
    signatures: Iterable[str], image_size: tuple[int, int], batch_sizes: Sequence[int]
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """One request a signature and batch size; plain images need few bytes and every kernel.

    Args:
      signatures: names of the model's signatures.
      image_size: height and width of its input, pixels.
      batch_sizes: images in a request.
    """
    height, width = image_size
    # Half as high: an image that has the right size would skip the resize.
    encoded = tf.io.encode_jpeg(
        tf.fill([height // 2, width, 3], tf.constant(128, tf.uint8))
    ).numpy()
    whole = [0.0, 0.0, height // 2, width]  # the one box
    example = tf.train.Example()
    example.features.feature["image"].bytes_list.value.append(encoded)
    for batch_size in batch_sizes:
        as_bytes = {"image_bytes": tf.make_tensor_proto([encoded] * batch_size)}
        shape = [batch_size, height, width, 3]
        # A tensor of one value is written as that value and its shape.
        others = {
            "examples": {
                "examples": tf.make_tensor_proto([example.SerializeToString()] * batch_size)
            },
            "images": {"images": tf.make_tensor_proto(0.0, shape=shape)},
            "images_uint8": {"images": tf.make_tensor_proto(128, tf.uint8, shape=shape)},
            "boxes": {
                **as_bytes,
                "boxes": tf.make_tensor_proto([[whole]] * batch_size, tf.float32),
            },
        }
        for signature in signatures:
            yield _request(signature, others.get(signature, as_bytes))


def _request(
    signature: str, inputs: Mapping[str, tensor_pb2.TensorProto]
) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(value)
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )


def write_warmup_requests(
    version_directory: pathlib.Path, signatures: Iterable[str], image_size: tuple[int, int]
) -> None:
    """Writes the requests for batches of one image and of eight into an exported version."""
    path = version_directory / WARMUP_PATH
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in warmup_requests(signatures, image_size, batch_sizes=(1, 8)):
            writer.write(log.SerializeToString())
