"""What an exported model can be asked: from a caller's bytes or pixels to a task's named outputs.

| signature       | input                                  | outputs                            |
|-----------------|----------------------------------------|------------------------------------|
| serving_default | image_bytes [B] string                 | the task's `serve`, features [B, F] |
| features        | image_bytes [B] string                 | features [B, F] float32            |
| images          | images [B, S, S, 3] float32 in [-1, 1] | as serving_default                 |

Bytes are a JPEG, PNG, GIF or BMP. B is free; S is the side of evaluation's crop. Decoding and
resizing are evaluation's own code, inside the graph.
"""

from collections.abc import Mapping

import tensorflow as tf

from revisit.data.images import to_model_range
from revisit.training.model import LoadedModel, forward

Outputs = dict[str, tf.Tensor]


def make_signatures(loaded: LoadedModel) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """Traces the three signatures of the table above for a trained model."""
    crop = loaded.config.data.crop
    byte_strings = tf.TensorSpec([None], tf.string, name="image_bytes")
    floats = tf.TensorSpec([None, crop, crop, 3], tf.float32, name="images")

    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        # The decoders are CPU kernels, and a resize elsewhere would differ in the last bits from
        # training's. One bad row fails the whole call: in a graph no row can fail alone.
        with tf.device("/device:CPU:0"):
            pixels = tf.map_fn(
                loaded.task.eval_image,
                image_bytes,
                fn_output_signature=tf.TensorSpec([crop, crop, 3], tf.uint8),
            )
        return to_model_range(pixels)

    def run(inputs: tf.Tensor) -> Outputs:
        return forward(loaded.backbone, loaded.head, inputs, train_backbone=False, training=False)

    def answer(inputs: tf.Tensor) -> Outputs:
        outputs = run(inputs)
        return {**loaded.task.serve(outputs), **_features(outputs)}

    # The parameters' names below are the names of the inputs on the wire.
    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        return answer(decode(image_bytes))

    def features(image_bytes: tf.Tensor) -> Outputs:
        return _features(run(decode(image_bytes)))

    def from_pixels(images: tf.Tensor) -> Outputs:
        return answer(images)

    return {
        "serving_default": tf.function(serving_default).get_concrete_function(byte_strings),
        "features": tf.function(features).get_concrete_function(byte_strings),
        "images": tf.function(from_pixels).get_concrete_function(floats),
    }


def _features(outputs: Mapping[str, tf.Tensor]) -> Outputs:
    return {"features": tf.cast(outputs["features"], tf.float32)}
