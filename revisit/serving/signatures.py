"""What an exported model can be asked: from a caller's bytes or pixels to a task's named outputs.

| signature       | input                                  | outputs                             |
|-----------------|----------------------------------------|-------------------------------------|
| serving_default | image_bytes [B] string                 | the task's `serve`, features [B, F] |
| examples        | examples [B] string                    | as serving_default                  |
| images          | images [B, H, W, 3] float32 in [-1, 1] | as serving_default                  |
| images_uint8    | images [B, H, W, 3] uint8              | as serving_default                  |
| boxes           | image_bytes [B] string,                | as serving_default, of each box     |
|                 | boxes [B, P, 4] float32 (y, x, y, x)   |                                     |
| features        | image_bytes [B] string                 | features [B, F]; the pyramid, if    |
|                 |                                        | asked for: c2 to c5 [B, H, W, C]    |

Bytes are a JPEG, PNG, GIF or BMP; an example is a serialised tf.Example with them in its field
"image", as every record of data_prep.build is. B is free; H and W are those of evaluation's image.
Decoding and resizing are evaluation's own code, inside the graph. Thresholds from validation, where
there are any, are returned beside the scores. A task without pooled features has no signature
`features`, and only one that looks at boxes, as pose at people, has `boxes`: corners in pixels of
the image; where an image has fewer than P, boxes of zeros fill up.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from revisit.data.images import to_model_range
from revisit.serving.thresholds import Thresholds
from revisit.training.model import LoadedModel, predict

Outputs = dict[str, tf.Tensor]
Signature: TypeAlias = tf.types.experimental.ConcreteFunction

# Of a class without an example in validation, of which nothing is known.
DEFAULT_THRESHOLD = 0.5


def make_signatures(
    loaded: LoadedModel, thresholds: Thresholds | None = None, pyramid: bool = False
) -> dict[str, Signature]:
    """Traces the signatures of the table above for a trained model.

    Args:
      loaded: the model.
      thresholds: what find_thresholds gives; None: none.
      pyramid: whether `features` also gives the feature maps of all stages.
    """
    task = loaded.task
    strings, size = tf.TensorSpec([None], tf.string), [None, *task.image_size, 3]
    decode = _make_decode(task.eval_example, strings)
    add_thresholds = _make_add_thresholds(thresholds)

    def answer(batch: Outputs) -> Outputs:
        outputs = predict(task, loaded.backbone, loaded.head, batch)
        return add_thresholds({**task.serve(outputs, batch), **_features(outputs)})

    # The parameters' names below are the names of the inputs on the wire.
    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        return answer(decode(image_bytes))

    def from_examples(examples: tf.Tensor) -> Outputs:
        field = {"image": tf.io.FixedLenFeature([], tf.string)}
        return answer(decode(tf.io.parse_example(examples, field)["image"]))

    def from_floats(images: tf.Tensor) -> Outputs:
        return answer({"image": images})

    def from_pixels(images: tf.Tensor) -> Outputs:
        return answer({"image": to_model_range(images)})

    def features(image_bytes: tf.Tensor) -> Outputs:
        batch = decode(image_bytes)
        levels = loaded.backbone(batch["image"], training=False)
        inputs = {name: {**batch, **levels}[name] for name in loaded.head.input_names}
        return {**_features(loaded.head(inputs, training=False)), **(levels if pyramid else {})}

    signatures = {
        "serving_default": _trace(serving_default, strings),
        "examples": _trace(from_examples, strings),
        "images": _trace(from_floats, tf.TensorSpec(size, tf.float32)),
        "images_uint8": _trace(from_pixels, tf.TensorSpec(size, tf.uint8)),
    }
    if "features" in signatures["images"].structured_outputs:
        signatures["features"] = _trace(features, strings)
    if task.box_example:
        boxes = tf.TensorSpec([None, None, 4], tf.float32)
        decode_boxes = _make_decode(task.box_example, strings, boxes)
        signatures["boxes"] = _trace(
            lambda image_bytes, boxes: answer(decode_boxes(image_bytes, boxes)), strings, boxes
        )
    return signatures


def _trace(function: Callable[..., Outputs], *specs: tf.TensorSpec) -> Signature:
    return tf.function(function).get_concrete_function(*specs)


def _make_decode(
    make_example: Callable[..., Outputs], *inputs: tf.TensorSpec
) -> Callable[..., Outputs]:
    """Encoded images [B], and what else there is of each, -> what the model looks at.

    Args:
      make_example: does it for one.
      inputs: specs of the batched arguments.
    """
    rows = (tf.TensorSpec(spec.shape[1:], spec.dtype) for spec in inputs)
    example = _trace(make_example, *rows)

    def decode(*batched: tf.Tensor) -> Outputs:
        # The decoders are CPU kernels, and a resize elsewhere would differ in the last bits from
        # training's. One bad row fails the whole call: in a graph no row can fail alone.
        with tf.device("/device:CPU:0"):
            specs = tf.nest.map_structure(tf.type_spec_from_value, example.structured_outputs)
            batch = tf.map_fn(lambda row: make_example(*row), batched, fn_output_signature=specs)
        return {**batch, "image": to_model_range(batch["image"])}

    return decode


def _make_add_thresholds(thresholds: Thresholds | None) -> Callable[[Outputs], Outputs]:
    if not thresholds:
        return lambda served: served
    values = np.array([row["threshold"] for row in thresholds]).astype(np.float32)
    values = np.nan_to_num(values, nan=DEFAULT_THRESHOLD)
    return lambda served: {**served, "thresholds": tf.gather(values, served["class_ids"])}


def _features(outputs: Mapping[str, tf.Tensor]) -> Outputs:
    return {name: tf.cast(outputs[name], tf.float32) for name in ("features",) if name in outputs}
