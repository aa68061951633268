"""Detection: Faster R-CNN on the backbone, scored by COCO's and VOC's own rules.

Images are drawn on a square canvas, the short side 600 pixels unless the long one would pass 1024
(the paper's sizes; config.task.detect has others), reflected half of the time in training.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data import drawing, geometry, images
from revisit.data.input import each_example, pad_list
from revisit.data.records import Contents, Dataset
from revisit.data.taxonomy import Taxonomy
from revisit.data.views import nearest_ids
from revisit.errors import UserError
from revisit.evaluation import coco, voc
from revisit.models.faster_rcnn import FasterRCNN, Options
from revisit.models.resnet import OUTPUT_STRIDES
from revisit.tasks.task import Batch, Outputs, Rows, Task

# Of TensorFlow's detectors of the paper's time (the original: 1).
LOCALIZATION_WEIGHT = 2.0
SHOWN_SCORE = 0.3  # from which on a detection is drawn


def _smooth_l1(true_deltas: tf.Tensor, deltas: tf.Tensor) -> tf.Tensor:
    """Summed over the four numbers of a box: [..., 4] -> [...]."""
    return 4.0 * keras.losses.huber(true_deltas, deltas, delta=1.0)


def _mean_of_drawn(values: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """[B, S] -> [B]: the mean over those that were drawn."""
    drawn = tf.cast(drawn, tf.float32)
    return tf.reduce_sum(values * drawn, axis=1) / tf.maximum(tf.reduce_sum(drawn, axis=1), 1.0)


def rpn_loss(outputs: Outputs) -> tf.Tensor:
    """Objectness, and where objects are, of the sampled anchors: [B] (Ren et al. 2015, eq. 1)."""
    is_object = tf.cast(outputs["rpn_is_object"], tf.float32)
    objectness = tf.nn.sigmoid_cross_entropy_with_logits(is_object, outputs["rpn_logits"])
    distance = _smooth_l1(outputs["rpn_true_deltas"], outputs["rpn_deltas"]) * is_object
    return _mean_of_drawn(objectness + LOCALIZATION_WEIGHT * distance, outputs["rpn_drawn"])


def box_loss(outputs: Outputs) -> tf.Tensor:
    """Classes, and where objects are, of the sampled boxes: [B]."""
    classes = tf.nn.sparse_softmax_cross_entropy_with_logits(
        outputs["box_labels"], outputs["box_logits"]
    )
    is_object = tf.cast(outputs["box_is_object"], tf.float32)
    distance = _smooth_l1(outputs["box_true_deltas"], outputs["box_deltas"]) * is_object
    return _mean_of_drawn(classes + LOCALIZATION_WEIGHT * distance, outputs["box_drawn"])


def _loss(outputs: Outputs, batch: Batch) -> tf.Tensor:
    return rpn_loss(outputs) + box_loss(outputs)


class _Image:
    """What is known and what was found of one image; boxes in continuous pixels."""

    def __init__(self, id_: str, size: np.ndarray, truth: np.ndarray, found: np.ndarray) -> None:
        """Args:
        id_: of the record.
        size: [2] height and width, pixels.
        truth: [N, 8] box in [0, 1], label (-1: none), area, is_crowd, is_difficult.
        found: [D, 6] box in [0, 1], score (0: none), class.
        """
        scale = np.tile(size.astype(np.float64), 2)
        truth, found = truth[truth[:, 4] >= 0], found[found[:, 4] > 0]
        self.id = id_
        self.size = size
        self.true_boxes, self.true_labels = truth[:, :4] * scale, truth[:, 4].astype(int)
        self.areas, self.is_crowd = truth[:, 5], truth[:, 6] > 0
        self.is_difficult = truth[:, 7] > 0
        self.boxes, self.scores = found[:, :4] * scale, found[:, 4]
        self.labels = found[:, 5].astype(int)


class DetectMetric:
    """COCO's and VOC's figures of a split.

    Rows: "id" [B] bytes, "weight" [B], "size" [B, 2], "truth" [B, N, 8], "found" [B, D, 6]; see
    _Image.
    """

    def __init__(self, taxonomy: Taxonomy, split: str) -> None:
        self._taxonomy = taxonomy
        self._split = split
        self._images: list[_Image] = []

    def update(self, rows: Rows) -> None:
        """Takes the rows of some examples; those of weight 0 count nothing."""
        self.__dict__.pop("_scores", None)
        for row in np.flatnonzero(rows["weight"] > 0):
            id_ = rows["id"][row].decode()
            fields = (rows[name][row] for name in ("size", "truth", "found"))
            self._images.append(_Image(id_, *fields))

    def _category_ids(self) -> Mapping[int, int | str]:
        """Class -> its id in COCO's form: its name.

        Where all leaves, and all classes of objects, have numbers for names, they are COCO's own;
        the classes above them are its supercategories, which are no categories.
        """
        names, leaves = self._taxonomy.names, self._taxonomy.leaves()
        numbers = {label: int(name) for label, name in enumerate(names) if name.isdecimal()}
        drawn = {label for image in self._images for label in image.true_labels}
        return numbers if drawn.union(leaves) <= numbers.keys() else dict(enumerate(names))

    def _categories(self) -> list[dict[str, Any]]:
        """Of the classes that an object has or that were found: taxonomies hold many more."""
        ids, titles = self._category_ids(), self._taxonomy.titles
        used = {label for image in self._images for label in (*image.true_labels, *image.labels)}
        return [{"id": ids[label], "name": titles[label]} for label in sorted(used & ids.keys())]

    def annotations(self) -> dict[str, Any]:
        """The ground truth in COCO's form."""
        category_ids = self._category_ids()
        sizes = {image.id: image.size for image in self._images}
        objects = {
            image.id: [
                coco.as_object(category_ids[label], box, area, crowd)
                for box, label, area, crowd in zip(
                    image.true_boxes, image.true_labels, image.areas, image.is_crowd
                )
            ]
            for image in self._images
        }
        return coco.as_ground_truth(sizes, objects, self._categories())

    def detections(self) -> list[dict[str, Any]]:
        """What was found, in COCO's form of results."""
        image_ids = coco.as_ids(image.id for image in self._images)
        category_ids = self._category_ids()
        return [
            {
                "image_id": image_ids[image.id],
                "category_id": category_ids[label],
                "bbox": coco.as_bbox(box),
                "score": float(score),
            }
            for image in self._images
            for box, label, score in zip(image.boxes, image.labels, image.scores)
            if label in category_ids
        ]

    def _voc_detections(self) -> dict[str, list[voc.Detection]]:
        found: dict[str, list[voc.Detection]] = {}
        category_ids = self._category_ids()
        for image in self._images:
            for box, label, score in zip(image.boxes, image.labels, image.scores):
                if label in category_ids:
                    detection = voc.Detection(image.id, float(score), tuple(box))
                    found.setdefault(self._taxonomy.titles[label], []).append(detection)
        return found

    def _voc_truths(self) -> dict[str, dict[str, voc.Truth]]:
        truths: dict[str, dict[str, voc.Truth]] = {}
        for image in self._images:
            # VOC has no crowds; what finds one counts neither way, as with a difficult object.
            ignored = image.is_difficult | image.is_crowd
            for label in np.unique(image.true_labels):
                of_class = image.true_labels == label
                truth = voc.Truth(image.true_boxes[of_class], ignored[of_class])
                truths.setdefault(self._taxonomy.titles[label], {})[image.id] = truth
        return truths

    @functools.cached_property
    def _scores(self) -> tuple[dict[str, float], list[dict], list[dict]]:
        coco_scores = coco.score_coco(self.annotations(), self.detections(), "detect")
        voc_figures, voc_rows = voc.score_voc(self._voc_detections(), self._voc_truths())
        return {**coco_scores.figures, **voc_figures}, coco_scores.per_class, voc_rows

    def result(self) -> dict[str, float]:
        """COCO's figures ("map", "map_50", ...), then VOC's ("voc07_map_50", ...)."""
        return {**self._scores[0], "num_examples": float(len(self._images))}

    def tables(self) -> dict[str, list[dict]]:
        """Average precision by class, by COCO's and by VOC's rules."""
        return {"per_class.csv": self._scores[1], "per_class_voc.csv": self._scores[2]}

    def results(self) -> dict[str, str | bytes]:
        """COCO's results file, its ground truth, and the text files of VOC's development kit."""
        files: dict[str, str | bytes] = {
            "detections.json": json.dumps(self.detections()),
            "annotations.json": json.dumps(self.annotations()),
        }
        for title, found in self._voc_detections().items():
            name = voc.file_name(self._split, title.replace("/", "_"))
            files[f"voc/{name}"] = voc.format_detections(found)
        return files


def _eval_example(encoded: tf.Tensor, detect: ConfigDict, mirrored: tf.Tensor | bool) -> dict:
    image = images.decode(encoded)
    canvas = (detect.long_side, detect.long_side)
    transform = geometry.fit(tf.shape(image)[:2], detect.short_side, detect.long_side, canvas)
    transform = geometry.mirror(transform, mirrored)
    drawn = geometry.apply_to_image(transform, image)
    return {"image": drawn, "geometry": tf.stack(transform)}


def _make_prepare(config: ConfigDict, dataset: Dataset) -> Callable[[dict, bool, tf.Tensor], dict]:
    num_objects = max(1, dataset.metadata.get("max_objects", 1))
    class_ids = nearest_ids(dataset)

    def prepare(record: dict, training: bool, seed: tf.Tensor) -> dict:
        objects = record["objects"]
        mirrored = seed[0] < 0 if training and config.data.flip else False
        example = _eval_example(record["image"], config.task.detect, mirrored)
        transform = geometry.unstack(example["geometry"])
        moved = geometry.clip_boxes(geometry.apply_to_boxes(transform, objects["box"]))
        labels = tf.gather(class_ids, objects["label"])
        numbers = (labels, objects["area"], objects["is_crowd"], objects["is_difficult"])
        columns = [tf.cast(column, tf.float32)[:, tf.newaxis] for column in numbers]
        truth = pad_list(tf.concat([objects["box"], *columns], axis=1), num_objects, -1)
        is_crowd = truth[:, 6] > 0
        return {
            **example,
            "id": record["id"],
            "boxes": pad_list(moved, num_objects),
            "labels": tf.where(is_crowd, -1, tf.cast(truth[:, 4], tf.int32)),
            "is_crowd": is_crowd,
            "truth": truth,
            "seed": seed,
        }

    return prepare


def _source_boxes(outputs: Outputs, stacked: tf.Tensor) -> tf.Tensor:
    """Found boxes [B, D, 4] in [0, 1] of their own images."""
    transform = geometry.unstack(stacked)
    back = geometry.apply_to_boxes(geometry.invert(transform), outputs["boxes"])
    return geometry.clip_boxes(back)


def _measure(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
    boxes = _source_boxes(outputs, batch["geometry"])
    scores, classes = outputs["scores"], tf.cast(outputs["classes"], tf.float32)
    return {
        "id": batch["id"],
        "weight": batch["weight"],
        "size": batch["geometry"][:, 2],
        "truth": batch["truth"],
        "found": tf.concat([boxes, tf.stack([scores, classes], axis=-1)], axis=-1),
    }


def _make_serve(taxonomy: Taxonomy) -> Callable[[Outputs, Batch], dict[str, tf.Tensor]]:
    """Boxes [B, D, 4] in pixels of the image that was sent; scores, classes and names [B, D]."""

    def serve(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        size = tf.cast(tf.shape(batch["image"])[1:3], tf.float32)
        boxes = outputs["boxes"]
        if "geometry" in batch:  # else pixels came as the canvas itself
            boxes = _source_boxes(outputs, batch["geometry"])
            size = batch["geometry"][:, tf.newaxis, 2]
        classes = outputs["classes"]
        return {
            "boxes": boxes * tf.concat([size, size], axis=-1),
            "scores": outputs["scores"],
            "class_ids": classes,
            "names": tf.gather(tf.constant(taxonomy.names), classes),
            "titles": tf.gather(tf.constant(taxonomy.titles), classes),
        }

    return serve


def _labels(boxes: np.ndarray, texts: Sequence[str], keep: np.ndarray) -> list[drawing.Label]:
    return [drawing.Label(*pair) for pair, kept in zip(zip(boxes, texts), keep) if kept]


def _make_draw(taxonomy: Taxonomy) -> Callable[[Batch, Outputs | None], np.ndarray]:
    def draw(batch: Batch, outputs: Outputs | None = None) -> np.ndarray:
        pictures = []
        for row, picture in enumerate(images.to_pixels(batch["image"]).numpy()):
            true_ids = batch["labels"][row].numpy()
            titles = [taxonomy.titles[id_] for id_ in true_ids]
            truth = _labels(batch["boxes"][row].numpy(), titles, true_ids >= 0)
            drawn = drawing.draw_boxes(picture, truth, "green")
            if outputs is not None:
                scores, classes = (outputs[name][row].numpy() for name in ("scores", "classes"))
                words = [f"{taxonomy.titles[id_]} {s:.2f}" for id_, s in zip(classes, scores)]
                found = _labels(outputs["boxes"][row].numpy(), words, scores >= SHOWN_SCORE)
                right = drawing.draw_boxes(picture, found, "red")
                drawn = drawing.side_by_side(drawn, right)
            pictures.append(drawn)
        return np.stack(pictures)

    return draw


def _check(config: ConfigDict, dataset: Dataset) -> None:
    detect = config.task.detect
    if dataset.shards and not dataset.contents.objects:
        raise UserError(
            f"config.task.name='detect' needs boxes, and {dataset.directory} has none: build it "
            "from a source with objects, as coco, voc or microworld"
        )
    for field in ("rpn_channels", "rpn_samples", "box_samples", "proposals", "box_crop"):
        if detect[field] < 1:
            raise UserError(f"config.task.detect.{field}={detect[field]}: give at least 1")
    for field in ("anchor_sizes", "anchor_ratios"):
        if min(detect[field], default=0) <= 0:
            raise UserError(
                f"config.task.detect.{field}={detect[field]} is not one or more numbers above 0"
            )
    if detect.fpn_channels < 0:
        raise UserError(
            f"config.task.detect.fpn_channels={detect.fpn_channels}: give 0 for no pyramid, or the "
            "channels of one (256)"
        )
    if detect.fpn_channels and config.model.output_stride < max(OUTPUT_STRIDES):
        raise UserError(
            f"config.model.output_stride={config.model.output_stride}: a pyramid "
            "(config.task.detect.fpn_channels) needs stages of falling resolution; give "
            f"{max(OUTPUT_STRIDES)}"
        )
    if not 0 < detect.short_side <= detect.long_side:
        raise UserError(
            f"config.task.detect.short_side={detect.short_side} must be in "
            f"1 to long_side={detect.long_side}"
        )


def make_detect(config: ConfigDict, dataset: Dataset) -> Task:
    """The detection task of a config, for one data set (for export: its taxonomy suffices).

    Raises:
      UserError: a field of config.task.detect does not fit, or the data set has no boxes.
    """
    detect, taxonomy = config.task.detect, dataset.taxonomy
    _check(config, dataset)
    sizes = {field: detect[field] for field in Options._fields if field != "canvas"}
    options = Options(detect.long_side, **sizes)
    return Task(
        prepare=each_example(_make_prepare(config, dataset), Contents(objects=True)),
        make_head=lambda backbone: FasterRCNN(backbone, taxonomy.num_classes, options),
        loss=_loss,
        measure=_measure,
        make_metric=lambda: DetectMetric(taxonomy, config.data.eval_split),
        draw=_make_draw(taxonomy),
        serve=_make_serve(taxonomy),
        eval_example=lambda encoded: _eval_example(encoded, detect, False),
        image_size=(detect.long_side, detect.long_side),
    )
