"""Faster R-CNN on a residual network (Ren et al. 2015, arXiv 1506.01497), as the paper has it.

The image goes through all stages of the backbone but the last. A region proposal network (RPN)
finds boxes on those features; each is cut out as 14 x 14 features, goes through the backbone's last
stage (conv5, with the backbone's own weights), and is classified and refined.

All boxes are (ymin, xmin, ymax, xmax) in [0, 1] of the canvas, the square that images are drawn on;
shapes are static, so that a training step compiles with XLA.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.data.augment import import_keras_cv
from revisit.data.geometry import apply_to_boxes, unstack
from revisit.models import boxes as box_lib

# Of Ren et al., unless it is said otherwise.
SAMPLES_A_BIN = 2  # along each axis: He et al. 2017, arXiv 1703.06870
RPN_CANDIDATES = 6000  # best anchors that non-maximum suppression looks at
RPN_NMS_OVERLAP = 0.7
RPN_POSITIVE_OVERLAP, RPN_NEGATIVE_OVERLAP, RPN_POSITIVE_SHARE = 0.7, 0.3, 0.5
BOX_POSITIVE_OVERLAP, BOX_POSITIVE_SHARE = 0.5, 0.25
CROWD_SHARE = 0.5  # of a box within a crowd, from which on it is no negative
NMS_OVERLAP = 0.6  # TensorFlow's detectors of the paper's time, as are the next two
MAX_PER_CLASS, MAX_DETECTIONS = 100, 300


class Options(NamedTuple):
    """What differs between pictures of different sizes; `config.task.detect` has the same fields.

    Attributes:
      canvas: side of the canvas, pixels.
      anchor_sizes: square roots of the anchors' areas, pixels.
      anchor_ratios: width over height of the anchors.
      rpn_channels: of the RPN's 3x3 convolution.
      rpn_samples: anchors of an image that the RPN learns from, in a step.
      box_samples: boxes of an image that the box head learns from, in a step.
      proposals: boxes that the RPN hands on.
      box_crop: features a side of a proposal, before the last stage halves them.
    """

    canvas: int
    anchor_sizes: tuple[float, ...]
    anchor_ratios: tuple[float, ...]
    rpn_channels: int
    rpn_samples: int
    box_samples: int
    proposals: int
    box_crop: int


def make_anchors(options: Options, grid: int) -> tf.Tensor:
    """[grid * grid * A, 4] float32: at each place, sizes and, within a size, ratios.

    Args:
      options: of the model.
      grid: features a side of the canvas.
    """
    stride = 2 ** round(np.log2(options.canvas / grid))
    generator = import_keras_cv().layers.AnchorGenerator(
        bounding_box_format="yxyx",
        sizes=[1.0],
        scales=list(options.anchor_sizes),
        aspect_ratios=list(options.anchor_ratios),
        strides=[stride],
    )
    anchors = generator(image_shape=(grid * stride, grid * stride, 3))[0]
    return anchors / options.canvas


def _bin_weights(low: tf.Tensor, high: tf.Tensor, size: int, bins: int) -> tf.Tensor:
    """Weights of `size` features in the bins of spans [...] (in features): [..., bins, size]."""
    num_samples = bins * SAMPLES_A_BIN
    steps = (tf.range(num_samples, dtype=tf.float32) + 0.5) / num_samples
    places = low[..., tf.newaxis] + steps * (high - low)[..., tf.newaxis] - 0.5
    places = tf.clip_by_value(places, 0.0, size - 1.0)
    distances = tf.abs(places[..., tf.newaxis] - tf.range(size, dtype=tf.float32))
    weights = tf.maximum(1.0 - distances, 0.0)  # linear between neighbours
    shape = tf.concat([tf.shape(low), [bins, SAMPLES_A_BIN, size]], axis=0)
    return tf.reduce_mean(tf.reshape(weights, shape), axis=-2)


def align(features: tf.Tensor, boxes: tf.Tensor, bins: int) -> tf.Tensor:
    """ROI align (He et al. 2017): the mean of 2 x 2 bilinear samples in each of bins x bins bins.

    Written as two products of matrices, which XLA compiles and whose gradients are deterministic;
    `tf.image.crop_and_resize` has neither on accelerators.

    Args:
      features: [B, H, W, C] float32, of the whole canvas.
      boxes: [B, R, 4] in [0, 1].
      bins: along each axis of a box.

    Returns:
      [B, R, bins, bins, C] float32.
    """
    height, width = features.shape[1:3]
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    rows = _bin_weights(ymin * height, ymax * height, height, bins)  # [B, R, bins, H]
    columns = _bin_weights(xmin * width, xmax * width, width, bins)
    bands = tf.einsum("brih,bhwc->briwc", rows, features)
    return tf.matmul(columns[:, :, tf.newaxis], bands)


def _flat_window(geometry: tf.Tensor | None, batch_size: tf.Tensor) -> tf.Tensor:
    """[B, 1, 4]: the part of the canvas that shows the image."""
    whole = tf.tile(tf.constant([[[0.0, 0.0, 1.0, 1.0]]]), [batch_size, 1, 1])
    if geometry is None:
        return whole
    shown = apply_to_boxes(unstack(geometry), whole)
    return tf.clip_by_value(shown, 0.0, 1.0)


def _gather(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    return tf.gather(values, places, batch_dims=1)


class _Matches(NamedTuple):
    """Of boxes [B, M, 4] with the true ones: overlap with the best, which one that is (int32),
    whether it is the best for a true one, and whether it lies in a crowd; each [B, M]."""

    overlap: tf.Tensor
    index: tf.Tensor
    is_best: tf.Tensor
    in_crowd: tf.Tensor


def _match(candidates: tf.Tensor, truth: Mapping[str, tf.Tensor]) -> _Matches:
    known = (truth["labels"] >= 0)[:, tf.newaxis, :]
    overlaps = tf.where(known, box_lib.overlaps(candidates, truth["boxes"]), 0.0)
    best_of_truth = tf.reduce_max(overlaps, axis=1, keepdims=True)
    shared = box_lib.intersections(candidates, truth["boxes"])
    share = tf.math.divide_no_nan(shared, box_lib.areas(candidates)[..., tf.newaxis])
    crowds = truth["is_crowd"][:, tf.newaxis, :]
    return _Matches(
        overlap=tf.reduce_max(overlaps, axis=-1),
        index=tf.argmax(overlaps, axis=-1, output_type=tf.int32),
        is_best=tf.reduce_any((overlaps == best_of_truth) & (overlaps > 0.0), axis=-1),
        in_crowd=tf.reduce_any(crowds & (share > CROWD_SHARE), axis=-1),
    )


def _make_rpn(channels_in: int, options: Options) -> keras.Model:
    """Features [B, H, W, C] -> an objectness logit and four deltas for each anchor."""
    num_anchors = len(options.anchor_sizes) * len(options.anchor_ratios)
    features = keras.Input((None, None, channels_in), name="features")

    def convolve(x: tf.Tensor, filters: int, size: int, name: str, **options: Any) -> tf.Tensor:
        initializer = keras.initializers.RandomNormal(stddev=0.01)
        return keras.layers.Conv2D(
            *(filters, size), kernel_initializer=initializer, dtype="float32", name=name, **options
        )(x)

    hidden = convolve(
        *(features, options.rpn_channels, 3, "rpn/conv"), padding="same", activation="relu"
    )
    logits = convolve(hidden, num_anchors, 1, "rpn/logits")
    deltas = convolve(hidden, num_anchors * 4, 1, "rpn/deltas")
    return keras.Model(features, {"logits": logits, "deltas": deltas}, name="rpn")


def _make_predictor(channels_in: int, num_classes: int) -> keras.Model:
    """Pooled features [n, C] -> logits of the classes and, last, of none; deltas a class."""
    features = keras.Input((channels_in,), name="features")
    sizes = (("logits", num_classes + 1, 0.01), ("deltas", num_classes * 4, 0.001))
    outputs = {
        name: keras.layers.Dense(
            units,
            kernel_initializer=keras.initializers.RandomNormal(stddev=stddev),
            dtype="float32",
            name=f"box/{name}",
        )(features)
        for name, units, stddev in sizes
    }
    return keras.Model(features, outputs, name="box")


class FasterRCNN(keras.Model):
    """The head: from the features of the last stage but one to boxes with classes.

    Called with the features by the name of their level and, where they are known, "geometry"
    [B, 4, 2] (a stacked Transform); in training also with "boxes" [B, N, 4], "labels" [B, N] int32
    (-1: none), "is_crowd" [B, N] bool and "seed" [B, 2].

    In training the outputs are what the losses compare, of the sampled anchors and boxes: see
    `_rpn_targets` and `_box_targets`. Otherwise "boxes" [B, D, 4], "scores" [B, D] and "classes"
    [B, D] int32, by falling score; scores are 0 where fewer than D were found.
    """

    def __init__(self, backbone: keras.Model, num_classes: int, options: Options) -> None:
        """Args:
        backbone: image -> pyramid; its last stage becomes part of the head, but stays its own.
        num_classes: C.
        options: sizes.
        """
        super().__init__(name="head")
        *_, self._level, last = sorted(backbone.output)
        self.input_names = [self._level, "geometry", "boxes", "labels", "is_crowd", "seed"]
        self._num_classes, self._options = num_classes, options
        stage = keras.Model(backbone.get_layer(self._level).input, backbone.output[last])
        # A function, which Keras does not look into: the stage's variables are the backbone's.
        self._last_stage = lambda crops, training: stage(crops, training=training)
        self._rpn = _make_rpn(backbone.output[self._level].shape[-1], options)
        self._predictor = _make_predictor(backbone.output[last].shape[-1], num_classes)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """See the class."""
        features = inputs[self._level]
        batch_size = tf.shape(features)[0]
        window = _flat_window(inputs.get("geometry"), batch_size)
        rpn = {
            name: tf.reshape(value, [batch_size, -1, *([4] if name == "deltas" else [])])
            for name, value in self._rpn(features).items()
        }
        anchors = make_anchors(self._options, features.shape[1])[tf.newaxis]
        proposals, scores = self._propose(rpn, anchors, window)
        if not training:
            return self._detect(features, proposals, scores, window)
        targets = self._rpn_targets(rpn, anchors, window, inputs)
        return {**targets, **self._box_targets(features, proposals, scores, inputs)}

    def _propose(
        self, rpn: Mapping[str, tf.Tensor], anchors: tf.Tensor, window: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Boxes [B, R, 4] and their objectness [B, R], -1 where there are fewer than R."""
        inside = _centers_inside(anchors, window)
        logits = tf.where(inside, rpn["logits"], rpn["logits"].dtype.min)
        count = min(RPN_CANDIDATES, anchors.shape[1])
        logits, places = tf.math.top_k(tf.stop_gradient(logits), count)
        deltas = _gather(tf.stop_gradient(rpn["deltas"]), places)
        candidates = box_lib.clip(box_lib.decode(deltas, tf.gather(anchors[0], places)), window)
        scores = tf.where(box_lib.areas(candidates) > 0.0, tf.sigmoid(logits), -1.0)
        chosen, num_chosen = tf.image.non_max_suppression_padded(
            candidates,
            scores,
            max_output_size=self._options.proposals,
            iou_threshold=RPN_NMS_OVERLAP,
            score_threshold=0.0,
            pad_to_max_output_size=True,
            canonicalized_coordinates=True,
        )
        real = tf.range(self._options.proposals) < num_chosen[:, tf.newaxis]
        return _gather(candidates, chosen), tf.where(real, _gather(scores, chosen), -1.0)

    def _rpn_targets(
        self,
        rpn: Mapping[str, tf.Tensor],
        anchors: tf.Tensor,
        window: tf.Tensor,
        truth: Mapping[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """Of the sampled anchors: what is predicted, what is true, and what counts."""
        matches = _match(anchors, truth)
        inside = _centers_inside(anchors, window)
        positive = inside & ((matches.overlap >= RPN_POSITIVE_OVERLAP) | matches.is_best)
        negative = inside & ~positive & (matches.overlap < RPN_NEGATIVE_OVERLAP) & ~matches.in_crowd
        places, drawn = box_lib.sample(
            positive, negative, self._options.rpn_samples, RPN_POSITIVE_SHARE, truth["seed"][0]
        )
        true_boxes = _gather(truth["boxes"], _gather(matches.index, places))
        sampled = tf.gather(anchors[0], places)
        return {
            "rpn_anchors": sampled,
            "rpn_logits": _gather(rpn["logits"], places),
            "rpn_deltas": _gather(rpn["deltas"], places),
            "rpn_is_object": _gather(positive, places),
            "rpn_true_deltas": box_lib.encode(true_boxes, sampled),
            "rpn_drawn": drawn,
        }

    def _box_targets(
        self,
        features: tf.Tensor,
        proposals: tf.Tensor,
        scores: tf.Tensor,
        truth: Mapping[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """Of the sampled proposals, to which the true boxes are added."""
        proposals = tf.stop_gradient(tf.concat([truth["boxes"], proposals], axis=1))
        exists = tf.concat([truth["labels"] >= 0, scores >= 0.0], axis=1)
        matches = _match(proposals, truth)
        positive = exists & (matches.overlap >= BOX_POSITIVE_OVERLAP)
        negative = exists & ~positive & ~matches.in_crowd
        count = min(self._options.box_samples, proposals.shape[1])
        places, drawn = box_lib.sample(
            positive, negative, count, BOX_POSITIVE_SHARE, truth["seed"][0] + 1
        )
        sampled, index = _gather(proposals, places), _gather(matches.index, places)
        is_object = _gather(positive, places)
        labels = _gather(truth["labels"], index)
        logits, deltas = self._classify(features, sampled, training=True)
        return {
            "box_proposals": sampled,
            "box_logits": logits,
            "box_deltas": tf.gather(deltas, tf.maximum(labels, 0), batch_dims=2),
            "box_labels": tf.where(is_object, labels, self._num_classes),
            "box_is_object": is_object,
            "box_true_deltas": box_lib.encode(_gather(truth["boxes"], index), sampled),
            "box_drawn": drawn,
        }

    def _classify(
        self, features: tf.Tensor, proposals: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits [B, R, C + 1] and deltas [B, R, C, 4]."""
        count = proposals.shape[1]
        crops = align(features, proposals, self._options.box_crop)
        crops = tf.reshape(crops, [-1, *crops.shape[2:]])
        pooled = tf.reduce_mean(self._last_stage(crops, training), axis=[1, 2])
        outputs = self._predictor(pooled)
        deltas = tf.reshape(outputs["deltas"], [-1, count, self._num_classes, 4])
        return tf.reshape(outputs["logits"], [-1, count, self._num_classes + 1]), deltas

    def _detect(
        self, features: tf.Tensor, proposals: tf.Tensor, scores: tf.Tensor, window: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        logits, deltas = self._classify(features, proposals, training=False)
        decoded = box_lib.decode(deltas, proposals[:, :, tf.newaxis])
        decoded = box_lib.clip(decoded, window[:, :, tf.newaxis])  # [B, R, C, 4]
        probabilities = tf.nn.softmax(logits)[..., :-1]
        probabilities = tf.where(scores[..., tf.newaxis] >= 0.0, probabilities, 0.0)
        found = tf.image.combined_non_max_suppression(
            decoded,
            probabilities,
            max_output_size_per_class=MAX_PER_CLASS,
            max_total_size=MAX_DETECTIONS,
            iou_threshold=NMS_OVERLAP,
            clip_boxes=False,
        )
        return {
            "boxes": found.nmsed_boxes,
            "scores": found.nmsed_scores,
            "classes": tf.cast(found.nmsed_classes, tf.int32),
        }

    def get_config(self) -> dict[str, Any]:
        """Nothing: a head is made anew from the run's config."""
        return {}


def _centers_inside(anchors: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """[B, A] bool: anchors in the padding are never looked at."""
    centers = (anchors[..., :2] + anchors[..., 2:]) / 2
    return tf.reduce_all((centers > window[..., :2]) & (centers < window[..., 2:]), axis=-1)
