"""Semantic segmentation: a class for each pixel, by DeepLab-ASPP-L (see revisit.models.deeplab).

Training crops windows of `config.task.segment.crop` pixels from images whose longer side was made
`side` and scaled at random. Evaluation looks at the whole image on a canvas, and scores it in the
image's own pixels, to which the scores are interpolated: what was resized or padded is not what
counts.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from revisit.data import geometry, images
from revisit.data.captions import caption_images
from revisit.data.geometry import IGNORED, Transform
from revisit.data.input import Prepare, each_example
from revisit.data.records import Contents, Dataset
from revisit.errors import UserError
from revisit.evaluation import segmentation
from revisit.models import deeplab
from revisit.tasks.task import Batch, Outputs, Rows, Task, is_range

LEAST_PROBABILITY = 1e-30  # of a class, where several views are averaged


class SegmentMetric:
    """Figures of a split: mean loss, mean intersection over union, accuracy.

    Rows: "confusion" [B, C, C] pixels by true and predicted class, "prediction" [B] gray PNGs of
    classes, "id" [B], "loss" [B], "weight" [B].
    """

    def __init__(self, classes: tuple[str, ...], split: str) -> None:
        """Args:
        classes: names of a mask's values.
        split: that is scored.
        """
        self._classes = classes
        self._split = split
        self._matrix = segmentation.ConfusionMatrix(len(classes))
        self._predictions: dict[str, bytes] = {}
        self._loss_sum = 0.0

    def update(self, rows: Rows) -> None:
        """Takes the rows of some examples; those of weight 0 count nothing."""
        real = rows["weight"] > 0
        self._matrix.update(rows["confusion"][real])
        self._loss_sum += float(np.sum(rows["loss"][real]))
        ids = (each.decode() for each in rows["id"][real])
        self._predictions.update(zip(ids, rows["prediction"][real], strict=True))

    def result(self) -> dict[str, float]:
        """The figures, by name."""
        num_examples = len(self._predictions)
        figures = {"loss": self._loss_sum / max(num_examples, 1), **self._matrix.result()}
        return {**figures, "num_examples": float(num_examples)}

    def tables(self) -> dict[str, list[dict]]:
        """Intersection over union by class, and how many pixels truly have it."""
        return {"per_class.csv": self._matrix.rows(self._classes)}

    def results(self) -> dict[str, str | bytes]:
        """VOC's PNGs: each image's classes in its own pixels, with VOC's palette."""
        return {
            segmentation.voc_file(image_id, self._split): segmentation.as_voc_png(png)
            for image_id, png in self._predictions.items()
        }


def _canvas(config: ConfigDict) -> tuple[int, int]:
    """Of evaluation: the least one that holds an image and has cells of the grid on its borders."""
    stride = config.model.output_stride
    side = -(-(config.task.segment.side - 1) // stride) * stride + 1
    return side, side


def _fit(size: tf.Tensor, config: ConfigDict) -> Transform:
    return geometry.fit(size, config.task.segment.side, config.task.segment.side, _canvas(config))


def _random_window(size: tf.Tensor, config: ConfigDict, seed: tf.Tensor) -> Transform:
    segment = config.task.segment
    whole = tf.cast(segment.side / tf.reduce_max(size), tf.float32)  # canvas pixels a source pixel
    least, largest = segment.scales
    canvas = (segment.crop, segment.crop)
    window = geometry.random_crop(size, (least * whole, largest * whole), canvas, seed)
    return geometry.mirror(window, config.data.flip & (seed[0] < 0))


def _prepare(config: ConfigDict) -> Prepare:
    def prepare(record: dict, training: bool, seed: tf.Tensor) -> dict:
        image, mask = images.decode(record["image"]), tf.io.decode_png(record["mask"], channels=1)
        size = tf.shape(image)[:2]
        move = _random_window(size, config, seed) if training else _fit(size, config)
        example = {
            "id": record["id"],
            "image": geometry.apply_to_image(move, image),
            "mask": geometry.apply_to_mask(move, mask)[..., 0],
        }
        if training:
            return example
        return {**example, "transform": tf.stack(move), "own_mask": record["mask"]}

    return each_example(prepare, Contents(mask=True))


def _pixel_losses(outputs: Outputs, batch: Batch) -> tf.Tensor:
    """Softmax cross entropy of each example, the mean over its pixels that have a class: [B]."""
    mask = tf.cast(batch["mask"], tf.int32)  # [B, S, S]
    logits = deeplab.resize(outputs["logits"], mask.shape[1])  # [B, S, S, C]
    known = tf.cast(mask != IGNORED, tf.float32)
    labels = tf.where(mask != IGNORED, mask, 0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits) * known
    pixels = tf.reduce_sum(known, axis=[1, 2])
    return tf.reduce_sum(losses, axis=[1, 2]) / tf.maximum(pixels, 1.0)


def _own_classes(logits: tf.Tensor, transform: tf.Tensor) -> tf.Tensor:
    """One image's classes in its own pixels.

    Args:
      logits: [h, w, C], a grid over the canvas.
      transform: [4, 2], from the image to the canvas.

    Returns:
      [H, W] uint8. Holds 4 C bytes a pixel of the image meanwhile.
    """
    to_canvas = geometry.unstack(transform)
    cells_a_pixel = (logits.shape[0] - 1.0) / (to_canvas.canvas_size[0] - 1.0)
    # Where the centers of the image's pixels lie; the canvas's first pixel is centered at 0.5.
    places = geometry.source_places(geometry.invert(to_canvas))
    rows, columns = ((each - 0.5) * cells_a_pixel for each in places)
    scores = deeplab.interpolate(logits, rows, columns)  # [H, W, C]
    return tf.cast(tf.argmax(scores, axis=-1), tf.uint8)


def _confusion(truth: tf.Tensor, predicted: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Two masks [H, W] uint8 -> pixels by true and predicted class, [C, C] int32."""
    known = tf.where(truth != IGNORED)
    true, guessed = (tf.cast(tf.gather_nd(mask, known), tf.int32) for mask in (truth, predicted))
    size = num_classes**2
    counts = tf.math.bincount(true * num_classes + guessed, minlength=size, maxlength=size)
    return tf.reshape(counts, [num_classes, num_classes])


def _compare(logits: tf.Tensor, transform: tf.Tensor, own_mask: tf.Tensor) -> tuple:
    """One image's confusion [C, C] and prediction, a PNG, both in its own pixels."""
    predicted = _own_classes(logits, transform)
    truth = tf.io.decode_png(own_mask, channels=1)[..., 0]
    confusion = _confusion(truth, predicted, logits.shape[-1])
    return confusion, tf.io.encode_png(predicted[..., tf.newaxis])


def _measure(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
    logits = outputs["logits"]
    num_classes = logits.shape[-1]
    signature = (
        tf.TensorSpec([num_classes, num_classes], tf.int32),
        tf.TensorSpec([], tf.string),
    )
    with tf.device("/device:CPU:0"):  # PNGs are its kernels' work
        confusion, prediction = tf.map_fn(
            lambda each: _compare(*each),
            (logits, batch["transform"], batch["own_mask"]),
            fn_output_signature=signature,
        )
    rows = {"confusion": confusion, "prediction": prediction, "id": batch["id"]}
    return {**rows, "weight": batch["weight"], "loss": _pixel_losses(outputs, batch)}


def _views(image: tf.Tensor, config: ConfigDict) -> Iterator[tuple[tf.Tensor, bool]]:
    """Images at evaluation's sizes, and whether each is mirrored."""
    stride = config.model.output_stride
    steps = (image.shape[1] - 1) // stride
    for scale in config.task.segment.eval_scales:
        scaled = deeplab.resize(image, max(1, round(steps * scale)) * stride + 1)
        for mirrored in (False, True)[: 1 + config.task.segment.eval_flip]:
            yield (tf.reverse(scaled, [2]) if mirrored else scaled), mirrored


def _predict(config: ConfigDict) -> Callable[[Callable[[Batch], Outputs], Batch], Outputs]:
    """Logits whose softmax is the mean over all views of an image, on the grid of the first."""

    def predict(run: Callable[[Batch], Outputs], batch: Batch) -> Outputs:
        views = []
        for image, mirrored in _views(batch["image"], config):
            probabilities = tf.nn.softmax(run({**batch, "image": image})["logits"])
            views.append(tf.reverse(probabilities, [2]) if mirrored else probabilities)
        cells = views[0].shape[1]
        mean = tf.add_n([deeplab.resize(each, cells) for each in views]) / len(views)
        return {"logits": tf.math.log(tf.maximum(mean, LEAST_PROBABILITY))}

    return predict


def _draw(classes: tuple[str, ...]) -> Callable[[Batch, Outputs | None], np.ndarray]:
    """Image and truth, and prediction where there is one, side by side; names under them."""

    def named(prefix: str, mask: np.ndarray) -> str:
        present = [classes[each] for each in np.unique(mask) if 0 < each < len(classes)]
        return f"{prefix}: {', '.join(present) or 'background'}"

    def draw(batch: Batch, outputs: Outputs | None = None) -> np.ndarray:
        pixels = images.to_pixels(batch["image"]).numpy()
        masks = {"given": batch["mask"].numpy()}
        if outputs is not None:
            logits = deeplab.resize(outputs["logits"], pixels.shape[1])
            masks["predicted"] = tf.argmax(logits, axis=-1).numpy()
        painted = [segmentation.paint_classes(pixels, mask) for mask in masks.values()]
        words = [
            [named(prefix, mask[index]) for prefix, mask in masks.items()]
            for index in range(len(pixels))
        ]
        return caption_images(np.concatenate([pixels, *painted], axis=2), words)

    return draw


def _stay(image: tf.Tensor) -> tf.Tensor:
    """The transforms of images [B, S, S, 3] that are their own canvas: [B, 4, 2]."""
    side = image.shape[1]
    move = geometry.fit(tf.constant([side, side]), side, side, (side, side))
    return tf.tile(tf.stack(move)[tf.newaxis], [tf.shape(image)[0], 1, 1])


def _serve(classes: tuple[str, ...]) -> Callable[[Outputs, Batch], dict[str, tf.Tensor]]:
    """Outputs -> mask_bytes [B], gray PNGs of class ids, each in its image's own pixels; and the
    classes by their share of those pixels, largest first: scores, class_ids, names [B, C]."""

    def serve_one(logits: tf.Tensor, transform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        predicted = _own_classes(logits, transform)
        counts = tf.math.bincount(
            tf.cast(predicted, tf.int32), minlength=len(classes), dtype=tf.float32
        )
        return tf.io.encode_png(predicted[..., tf.newaxis]), counts / tf.reduce_sum(counts)

    def serve(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        transforms = batch.get("transform", _stay(batch["image"]))
        signature = (tf.TensorSpec([], tf.string), tf.TensorSpec([len(classes)], tf.float32))
        with tf.device("/device:CPU:0"):
            masks, shares = tf.map_fn(
                lambda each: serve_one(*each),
                (outputs["logits"], transforms),
                fn_output_signature=signature,
            )
        scores, ids = tf.math.top_k(shares, len(classes))
        names = tf.gather(tf.constant(classes), ids)
        return {"mask_bytes": masks, "scores": scores, "class_ids": ids, "names": names}

    return serve


def _check(config: ConfigDict, dataset: Dataset) -> None:
    segment, stride = config.task.segment, config.model.output_stride
    if not dataset.metadata.get("mask_classes"):
        raise UserError(
            f"config.task.name='segment' needs masks, and {dataset.directory or 'the run'} has "
            "none: build a data set from a source that has them, such as voc"
        )
    if segment.crop % stride != 1:
        nearest = round((segment.crop - 1) / stride) * stride + 1
        raise UserError(
            f"config.task.segment.crop={segment.crop} is not 1 more than a multiple of "
            f"config.model.output_stride={stride}, as segmentation needs it: take {nearest}"
        )
    if config.model.stem == "patch4":
        raise UserError(
            "config.model.stem='patch4' has no cell on an image's border, as segmentation "
            "needs it: take conv7, conv3_pool or conv3"
        )
    if segment.side < 1:
        raise UserError(f"config.task.segment.side={segment.side}: give at least 1 pixel")
    if not is_range(segment.scales):
        raise UserError(
            f"config.task.segment.scales={tuple(segment.scales)} is not a range above 0"
        )
    if not segment.eval_scales or min(segment.eval_scales) <= 0:
        raise UserError(
            f"config.task.segment.eval_scales={tuple(segment.eval_scales)} is not one or "
            "more factors above 0"
        )


def make_segment(config: ConfigDict, dataset: Dataset) -> Task:
    """The segmentation task of a config, for one data set (for export: its mask classes suffice).

    Raises:
      UserError: the data set has no masks, or fields of the config do not fit.
    """
    _check(config, dataset)
    classes = tuple(dataset.metadata["mask_classes"])

    def eval_example(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        image = images.decode(encoded)
        move = _fit(tf.shape(image)[:2], config)
        return {"image": geometry.apply_to_image(move, image), "transform": tf.stack(move)}

    return Task(
        prepare=_prepare(config),
        make_head=lambda backbone: deeplab.make_head(backbone, len(classes)),
        loss=_pixel_losses,
        measure=_measure,
        make_metric=lambda: SegmentMetric(classes, config.data.eval_split),
        draw=_draw(classes),
        serve=_serve(classes),
        eval_example=eval_example,
        image_size=_canvas(config),
        predict=_predict(config),
    )
