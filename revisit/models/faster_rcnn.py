"""Faster R-CNN on a residual network (Ren et al. 2015, arXiv 1506.01497), as the paper has it.

The image goes through all stages of the backbone but the last. A region proposal network (RPN)
finds boxes on those features; each is cut out as 14 x 14 features, goes through the backbone's last
stage (conv5, with the backbone's own weights), and is classified and refined. Instead, features can
be those of a pyramid of all stages (fpn.py), where a box goes through layers of its own.

All boxes are (ymin, xmin, ymax, xmax) in [0, 1] of the canvas, the square that images are drawn on;
shapes are static, so that a training step compiles with XLA.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.data.augment import import_keras_cv
from revisit.data.geometry import apply_to_boxes, unstack
from revisit.models import boxes as box_lib
from revisit.models.fpn import FeaturePyramid
from revisit.models.roi_align import align

# Of Ren et al., unless it is said otherwise.
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
      anchor_sizes: square roots of the anchors' areas, pixels; of the finest map of a pyramid, and
        twice as large on each next.
      anchor_ratios: width over height of the anchors.
      rpn_channels: of the RPN's 3x3 convolution.
      rpn_samples: anchors of an image that the RPN learns from, in a step.
      box_samples: boxes of an image that the box head learns from, in a step.
      proposals: boxes that the RPN hands on.
      box_crop: features a side of a proposal, before the last stage halves them.
      fpn_channels: of a pyramid of all stages; 0: no pyramid, but the last stage but one.
    """

    canvas: int
    anchor_sizes: tuple[float, ...]
    anchor_ratios: tuple[float, ...]
    rpn_channels: int
    rpn_samples: int
    box_samples: int
    proposals: int
    box_crop: int
    fpn_channels: int


def make_anchors(options: Options, grids: Sequence[int]) -> tf.Tensor:
    """[A, 4] float32: of each grid, at each place, sizes and, within a size, ratios.

    Args:
      options: of the model.
      grids: features a side of the canvas, of each map of features.
    """
    strides = [2 ** round(np.log2(options.canvas / grid)) for grid in grids]
    anchors = []
    for grid, stride in zip(grids, strides):
        generator = import_keras_cv().layers.AnchorGenerator(
            bounding_box_format="yxyx",
            sizes=[1.0],
            scales=[size * stride / strides[0] for size in options.anchor_sizes],
            aspect_ratios=list(options.anchor_ratios),
            strides=[stride],
        )
        anchors.append(generator(image_shape=(grid * stride, grid * stride, 3))[0])
    return tf.concat(anchors, axis=0) / options.canvas


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


def _make_predictor(units: int, num_classes: int) -> keras.Model:
    """Vectors of boxes [n, F] -> logits of the classes and, last, of none; deltas a class."""
    features = keras.Input((units,), name="features")
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


class SharedStages:
    """Regions as the paper has them: the last stage but one, of which boxes go through the last.

    No layer of Keras, which would look into it: the stages' variables are the backbone's.

    Attributes:
      levels: the stage that is looked at.
      channels: of its features.
      units: F, of what describes a box.
    """

    def __init__(self, backbone: keras.Model, bins: int) -> None:
        """Args:
        backbone: image -> stages.
        bins: features a side of a box (the paper: 14).
        """
        *_, level, last = sorted(backbone.output)
        self.levels = [level]
        self.channels, self.units = (backbone.output[name].shape[-1] for name in (level, last))
        self._last_stage = keras.Model(backbone.get_layer(level).input, backbone.output[last])
        self._bins = bins

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """Stages by name -> the one map [B, H, W, channels]."""
        return [inputs[self.levels[0]]]

    def describe(self, maps: Sequence[tf.Tensor], boxes: tf.Tensor, training: bool) -> tf.Tensor:
        """Boxes [B, R, 4] in [0, 1] of the canvas -> [B * R, F]."""
        crops = align(maps[0], boxes, self._bins)
        crops = tf.reshape(crops, [-1, *crops.shape[2:]])
        return tf.reduce_mean(self._last_stage(crops, training=training), axis=[1, 2])


class FasterRCNN(keras.Model):
    """The head: from features of the backbone's stages to boxes with classes.

    Called with the features by the name of their stage and, where they are known, "geometry"
    [B, 4, 2] (a stacked Transform); in training also with "boxes" [B, N, 4], "labels" [B, N] int32
    (-1: none), "is_crowd" [B, N] bool and "seed" [B, 2].

    In training the outputs are what the losses compare, of the sampled anchors and boxes: see
    `_rpn_targets` and `_box_targets`. Otherwise "boxes" [B, D, 4], "scores" [B, D] and "classes"
    [B, D] int32, by falling score; scores are 0 where fewer than D were found.
    """

    def __init__(self, backbone: keras.Model, num_classes: int, options: Options) -> None:
        """Args:
        backbone: image -> stages; without a pyramid its last becomes part of the head, but stays
          the backbone's own.
        num_classes: C.
        options: sizes.
        """
        super().__init__(name="head")
        if options.fpn_channels:
            sizes = (options.fpn_channels, options.canvas, options.box_crop)
            self._regions: FeaturePyramid | SharedStages = FeaturePyramid(backbone, *sizes)
        else:
            self._regions = SharedStages(backbone, options.box_crop)
        self.input_names = [
            *self._regions.levels,
            "geometry",
            "boxes",
            "labels",
            "is_crowd",
            "seed",
        ]
        self._num_classes, self._options = num_classes, options
        self._rpn = _make_rpn(self._regions.channels, options)
        self._predictor = _make_predictor(self._regions.units, num_classes)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """See the class."""
        maps = self._regions(inputs)
        window = _flat_window(inputs.get("geometry"), tf.shape(maps[0])[0])
        rpn = self._run_rpn(maps)
        anchors = make_anchors(self._options, [each.shape[1] for each in maps])[tf.newaxis]
        proposals, scores = self._propose(rpn, anchors, window)
        if not training:
            return self._detect(maps, proposals, scores, window)
        targets = self._rpn_targets(rpn, anchors, window, inputs)
        return {**targets, **self._box_targets(maps, proposals, scores, inputs)}

    def _run_rpn(self, maps: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Of the anchors of all maps: "logits" [B, A] and "deltas" [B, A, 4]."""
        outputs = [self._rpn(features) for features in maps]
        shapes = {"logits": [-1], "deltas": [-1, 4]}
        batch_size = tf.shape(maps[0])[0]
        return {
            name: tf.concat(
                [tf.reshape(each[name], [batch_size, *shape]) for each in outputs], axis=1
            )
            for name, shape in shapes.items()
        }

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
        maps: Sequence[tf.Tensor],
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
        logits, deltas = self._classify(maps, sampled, training=True)
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
        self, maps: Sequence[tf.Tensor], proposals: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits [B, R, C + 1] and deltas [B, R, C, 4]."""
        count = proposals.shape[1]
        outputs = self._predictor(self._regions.describe(maps, proposals, training))
        deltas = tf.reshape(outputs["deltas"], [-1, count, self._num_classes, 4])
        return tf.reshape(outputs["logits"], [-1, count, self._num_classes + 1]), deltas

    def _detect(
        self,
        maps: Sequence[tf.Tensor],
        proposals: tf.Tensor,
        scores: tf.Tensor,
        window: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        logits, deltas = self._classify(maps, proposals, training=False)
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
