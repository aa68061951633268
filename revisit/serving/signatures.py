"""What an exported model can be asked: from a caller's bytes or pixels to a task's named outputs.

| signature       | input                                  | outputs                            |
|-----------------|----------------------------------------|------------------------------------|
| serving_default | image_bytes [B] string                 | the task's `serve`, features [B, F] |
| features        | image_bytes [B] string                 | features [B, F] float32            |
| images          | images [B, H, W, 3] float32 in [-1, 1] | as serving_default                 |

Bytes are a JPEG, PNG, GIF or BMP. B is free; H and W are those of evaluation's images. Decoding and
resizing are evaluation's own code, inside the graph. A task without pooled features has no
signature `features`.
"""

from collections.abc import Mapping

import tensorflow as tf

from revisit.data.images import to_model_range
from revisit.training.model import LoadedModel, forward

Outputs = dict[str, tf.Tensor]


def make_signatures(loaded: LoadedModel) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """Traces the signatures of the table above for a trained model."""
    task = loaded.task
    byte_strings = tf.TensorSpec([None], tf.string, name="image_bytes")
    floats = tf.TensorSpec([None, *task.image_size, 3], tf.float32, name="images")
    example = tf.function(task.eval_example).get_concrete_function(tf.TensorSpec([], tf.string))

    def decode(image_bytes: tf.Tensor) -> Outputs:
        # The decoders are CPU kernels, and a resize elsewhere would differ in the last bits from
        # training's. One bad row fails the whole call: in a graph no row can fail alone.
        with tf.device("/device:CPU:0"):
            specs = tf.nest.map_structure(tf.type_spec_from_value, example.structured_outputs)
            batch = tf.map_fn(task.eval_example, image_bytes, fn_output_signature=specs)
        return {**batch, "image": to_model_range(batch["image"])}

    def run(batch: Outputs) -> Outputs:
        return forward(loaded.backbone, loaded.head, batch, train_backbone=False, training=False)

    def answer(batch: Outputs) -> Outputs:
        outputs = run(batch)
        return {**task.serve(outputs, batch), **_features(outputs)}

    # The parameters' names below are the names of the inputs on the wire.
    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        return answer(decode(image_bytes))

    def features(image_bytes: tf.Tensor) -> Outputs:
        return _features(run(decode(image_bytes)))

    def from_pixels(images: tf.Tensor) -> Outputs:
        return answer({"image": images})

    signatures = {
        "serving_default": tf.function(serving_default).get_concrete_function(byte_strings),
        "images": tf.function(from_pixels).get_concrete_function(floats),
    }
    if "features" in signatures["images"].structured_outputs:
        signatures["features"] = tf.function(features).get_concrete_function(byte_strings)
    return signatures


def _features(outputs: Mapping[str, tf.Tensor]) -> Outputs:
    return {name: tf.cast(outputs[name], tf.float32) for name in ("features",) if name in outputs}
