"""Image classification: any number of labels an image (sigmoid) or exactly one (softmax).

The head is global average pooling of the deepest features and one dense layer, in every mode: with
a frozen backbone it is the linear probe. Labels stay sparse from the record to the loss.
"""

import csv
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data import images
from revisit.data.captions import caption_images
from revisit.data.input import Cached, Prepare
from revisit.data.labels import longest_positives, make_label_view
from revisit.data.records import Contents, Dataset, parse_record
from revisit.data.taxonomy import Taxonomy
from revisit.errors import UserError
from revisit.evaluation import metrics
from revisit.models.split_dense import SplitDense
from revisit.tasks import losses
from revisit.tasks.task import Batch, Outputs, Rows, Task

PAPER_TOP_K = 100  # of the paper's mAP@100


class Kind(NamedTuple):
    """What differs between several labels an image and a single one.

    Attributes:
      loss: (logits [B, C], batch, config.task) -> [B].
      bias: (positive counts [C], number of examples) -> [C], the head's biases at the start.
      scores: logits -> probabilities.
      metrics: (config.task, taxonomy) -> metrics by what their figures' names start with.
    """

    loss: Callable[[tf.Tensor, Batch, ConfigDict], tf.Tensor]
    bias: Callable[[np.ndarray, int], np.ndarray]
    scores: Callable[[tf.Tensor], tf.Tensor]
    metrics: Callable[[ConfigDict, Taxonomy], dict[str, Any]]


def _sigmoid_loss(logits: tf.Tensor, batch: Batch, config: ConfigDict) -> tf.Tensor:
    if config.labels == "truth":
        return losses.sparse_sigmoid_cross_entropy(logits, batch["truth"])
    return losses.sparse_sigmoid_cross_entropy(
        logits, batch["labels"], batch["confidences"], batch["negatives"], config.absent
    )


def _softmax_loss(logits: tf.Tensor, batch: Batch, config: ConfigDict) -> tf.Tensor:
    return losses.softmax_cross_entropy(logits, batch["leaf"])


def _log_shares(positive_counts: np.ndarray, num_examples: int) -> np.ndarray:
    """Logits whose softmax is the classes' shares, smoothed by one example a class."""
    return np.log((positive_counts + 1.0) / (num_examples + len(positive_counts)))


def _class_weights(path: str, taxonomy: Taxonomy) -> np.ndarray | None:
    """[C] weights from a CSV of class,weight (no header); classes that it does not name have 0."""
    if not path:
        return None
    weights = np.zeros(taxonomy.num_classes)
    try:
        with open(path, newline="") as file:
            for name, weight in csv.reader(file):
                weights[taxonomy.ids[name]] = float(weight)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"config.task.class_weights={path!r} is not a CSV of class,weight: {error!r}"
        ) from error
    return weights


def _multi_label_metrics(config: ConfigDict, taxonomy: Taxonomy) -> dict[str, Any]:
    num_classes, weights = taxonomy.num_classes, _class_weights(config.class_weights, taxonomy)
    at_k = functools.partial(metrics.MeanAveragePrecisionAtK, num_classes, PAPER_TOP_K, weights)
    return {
        "": metrics.MeanAveragePrecision(num_classes, config.absent),
        "by_class_": at_k(reading="class"),
        "by_image_": at_k(reading="image"),
    }


def _single_label_metrics(config: ConfigDict, taxonomy: Taxonomy) -> dict[str, Any]:
    return {"": metrics.TopKAccuracy()}


KINDS = {
    "sigmoid": Kind(_sigmoid_loss, losses.prior_bias, tf.sigmoid, _multi_label_metrics),
    "softmax": Kind(_softmax_loss, _log_shares, tf.nn.softmax, _single_label_metrics),
}


class ClassifyMetric:
    """Figures of a split: mean loss, and the kind's own, also by the truth where it is known.

    Rows: "logits" [B, C], "loss" [B], "labels" [B, L], "weight" [B], and, where the task has them,
    "negatives" [B, M] (then only positives and verified negatives count) and "truth" [B, T].
    """

    def __init__(
        self, kind: Kind, config: ConfigDict, taxonomy: Taxonomy, targets: Mapping[str, str]
    ) -> None:
        """Args:
        kind: row of KINDS.
        config: config.task.
        taxonomy: the classes.
        targets: what figures' names start with -> the rows' key with the labels they are scored by.
        """
        self._taxonomy = taxonomy
        self._targets = targets
        self._metrics = {prefix: kind.metrics(config, taxonomy) for prefix in targets}
        self._loss_sum = 0.0
        self._num_examples = 0.0

    def update(self, rows: Rows) -> None:
        """Takes the rows of some examples; those of weight 0 count nothing."""
        self._loss_sum += float(np.sum(rows["loss"] * rows["weight"]))
        self._num_examples += float(np.sum(rows["weight"]))
        for prefix, key in self._targets.items():
            negatives = rows.get("negatives") if key == "labels" else None
            for metric in self._metrics[prefix].values():
                metric.update(rows["logits"], rows[key], rows["weight"], negatives)

    def result(self) -> dict[str, float]:
        """The figures, by name."""
        figures = {"loss": self._loss_sum / max(self._num_examples, 1.0)}
        for prefix, group in self._metrics.items():
            for start, metric in group.items():
                figures.update({prefix + start + name: v for name, v in metric.result().items()})
        return {**figures, "num_examples": self._num_examples}

    def tables(self) -> dict[str, list[dict]]:
        """Figures by class, for labels and truth, of several labels an image.

        "threshold" is the score from which on the class is best taken for present: there its F1 on
        this split is highest.
        """
        return {
            f"{prefix}per_class.csv": self._per_class(group[""])
            for prefix, group in self._metrics.items()
            if isinstance(group[""], metrics.MeanAveragePrecision)
        }

    def results(self) -> dict[str, str | bytes]:
        """None: classification has no such format."""
        return {}

    def _per_class(self, metric: metrics.MeanAveragePrecision) -> list[dict]:
        logits, best_f1 = metric.best_f1()
        columns = {
            "class": self._taxonomy.names,
            "title": self._taxonomy.titles,
            "num_positives": metric.num_positives(),
            "average_precision": metric.per_class(),
            "best_f1": best_f1,
            "threshold": 1 / (1 + np.exp(-logits)),  # a score, as serving gives them
        }
        return [dict(zip(columns, row)) for row in zip(*columns.values(), strict=True)]


def _pad(ids: tf.Tensor, length: int, value: float = -1) -> tf.Tensor:
    """[B, n] -> [B, length], filled with `value`; data sets say how long their longest list is."""
    padded = tf.pad(ids, [[0, 0], [0, length - tf.shape(ids)[1]]], constant_values=value)
    return tf.ensure_shape(padded, [None, length])


def _make_targets(
    config: ConfigDict, dataset: Dataset
) -> Callable[[dict, bool], dict[str, tf.Tensor]]:
    """(parsed records, training) -> all fields of a batch but the image."""
    task = config.task
    view_labels = make_label_view(dataset, config.data, config.seed)
    num_positives = longest_positives(dataset, config.data)
    num_negatives = max(1, dataset.metadata.get("max_negatives", 1))

    def targets(records: dict, training: bool) -> dict[str, tf.Tensor]:
        labels = view_labels(records["id"], records["labels"], training)
        batch = {"id": records["id"]}
        ids = {
            key: tf.cast(value, tf.int32) for key, value in labels.items() if key != "confidence"
        }
        if task.loss == "softmax":
            return {**batch, "leaf": ids["leaf"][:, 0], "labels": ids["leaf"][:, :1]}
        batch["labels"] = _pad(ids["positive"], num_positives)
        batch["confidences"] = _pad(labels["confidence"], num_positives, 0)
        batch["negatives"] = _pad(ids["negative"], num_negatives)
        if dataset.contents.truth:
            batch["truth"] = _pad(ids["truth"], dataset.metadata["max_truths"])
        return batch

    return targets


def _make_prepare(config: ConfigDict, dataset: Dataset) -> tuple[Prepare, Cached | None]:
    """From records alone, and from records and pixels that were decoded before."""
    data, contents = config.data, Contents(truth=dataset.contents.truth)
    targets = _make_targets(config, dataset)

    def prepare(serialized: tf.Tensor, training: bool, seeds: tf.Tensor) -> dict:
        records = parse_record(serialized, contents)
        if training:
            pixels = images.train_images(records["image"], data.resize, data.crop, data.flip, seeds)
        else:
            pixels = images.eval_images(records["image"], data.resize, data.crop)
        return {"image": pixels, **targets(records, training)}

    def decode(serialized: tf.Tensor) -> tf.Tensor:
        return images.decode_square(parse_record(serialized, contents)["image"], data.resize)

    def prepare_cached(serialized: tf.Tensor, squares: tf.Tensor, seeds: tf.Tensor) -> dict:
        pixels = images.crop_squares(squares, data.crop, data.flip, seeds)
        return {"image": pixels, **targets(parse_record(serialized, contents), True)}

    # Larger ones may be cut while they are decoded, which changes the outermost pixels of a crop.
    is_exact = data.resize < images.MIN_FUSED_SIZE
    cached = Cached(decode, prepare_cached, example_bytes=3 * data.resize**2)
    return prepare, cached if is_exact else None


def _make_head(
    config: ConfigDict, dataset: Dataset, kind: Kind
) -> Callable[[keras.Model], keras.Model]:
    def bias_initializer() -> keras.initializers.Initializer:
        counts = dataset.metadata.get("positive_counts", {}).get(config.data.train_split)
        if not config.task.prior_bias or counts is None:
            return keras.initializers.Zeros()
        num_examples = dataset.num_examples(config.data.train_split)
        return keras.initializers.Constant(kind.bias(np.asarray(counts), num_examples))

    def make_head(backbone: keras.Model) -> keras.Model:
        level = max(backbone.output)  # the deepest, "c5"; "c4" of a net of three stages
        pyramid = keras.Input(backbone.output[level].shape[1:], name=level)
        pool = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")
        features = pool(pyramid)  # [B, F]
        classifier = SplitDense(
            dataset.taxonomy.num_classes,
            config.task.head_parts,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=bias_initializer(),
            dtype="float32",
            name="classifier",
        )
        outputs = {"features": features, "logits": classifier(features)}
        return keras.Model({level: pyramid}, outputs, name="head")

    return make_head


def _serve(
    config: ConfigDict, taxonomy: Taxonomy, kind: Kind
) -> Callable[[Outputs, Batch], dict[str, tf.Tensor]]:
    """Outputs -> features [B, F]; scores, ids, names, titles, ancestors of the best [B, K]."""
    top_k = min(config.task.export_top_k, taxonomy.num_classes)
    ancestors = [
        " > ".join(taxonomy.titles[above] for above in reversed(taxonomy.ancestors(id_)))
        for id_ in range(taxonomy.num_classes)
    ]

    def serve(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        scores, ids = tf.math.top_k(kind.scores(outputs["logits"]), top_k)
        return {
            "features": outputs["features"],
            "scores": scores,
            "class_ids": ids,
            "names": tf.gather(tf.constant(taxonomy.names), ids),
            "titles": tf.gather(tf.constant(taxonomy.titles), ids),
            "ancestors": tf.gather(tf.constant(ancestors), ids),
        }

    return serve


def _check(config: ConfigDict, dataset: Dataset) -> None:
    task = config.task
    if task.loss not in KINDS:
        raise UserError(f"config.task.loss={task.loss!r} is not one of {sorted(KINDS)}")
    if task.absent not in losses.ABSENT:
        raise UserError(f"config.task.absent={task.absent!r} is not one of {losses.ABSENT}")
    if task.labels not in ("positive", "truth"):
        raise UserError(f"config.task.labels={task.labels!r} is not 'positive' or 'truth'")
    if task.labels == "truth" and dataset.shards and not dataset.contents.truth:
        raise UserError(f"config.task.labels='truth', but {dataset.directory} holds no truth")
    if task.loss == "softmax" and not dataset.metadata.get("single_label", True):
        raise UserError(
            f"config.task.loss='softmax' needs exactly one label an image, and {dataset.directory} "
            "has images with none or several: use config.task.loss=sigmoid"
        )
    if task.loss == "softmax" and config.data.classes and not config.data.images_of:
        raise UserError(
            f"config.data.classes={config.data.classes!r} leaves images without a label, and "
            "config.task.loss='softmax' needs one: set config.data.images_of to the same"
        )
    if not 1 <= task.head_parts <= dataset.taxonomy.num_classes:
        raise UserError(
            f"config.task.head_parts={task.head_parts} is not between 1 and the "
            f"{dataset.taxonomy.num_classes} classes"
        )
    if not 1 <= config.data.crop <= config.data.resize:
        raise UserError(
            f"config.data.crop={config.data.crop} is not between 1 and "
            f"config.data.resize={config.data.resize}"
        )


def make_classify(config: ConfigDict, dataset: Dataset) -> Task:
    """The classification task of a config, for one data set (for export: its taxonomy suffices).

    Raises:
      UserError: a field of config.task has no such value, or the data set does not fit it.
    """
    _check(config, dataset)
    kind = KINDS[config.task.loss]
    scored = {"": "labels"}
    if config.task.loss == "sigmoid" and dataset.contents.truth:
        scored["truth_"] = "truth"

    def loss(outputs: Outputs, batch: Batch) -> tf.Tensor:
        return kind.loss(outputs["logits"], batch, config.task)

    def measure(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        keys = ["weight", *scored.values()] + ["negatives"] * (config.task.absent == "unknown")
        rows = {key: batch[key] for key in keys}
        return {**rows, "logits": outputs["logits"], "loss": loss(outputs, batch)}

    def draw(batch: Batch, outputs: Outputs | None = None) -> np.ndarray:
        titles = dataset.taxonomy.titles
        pixels = images.to_pixels(batch["image"]).numpy()
        names = [[titles[id_] for id_ in row if id_ >= 0] for row in batch["labels"].numpy()]
        if outputs is not None:
            best = tf.argmax(outputs["logits"], axis=1).numpy()
            names = [[*row, f"predicted: {titles[id_]}"] for row, id_ in zip(names, best)]
        return caption_images(pixels, names)

    def eval_example(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": images.eval_image(encoded, config.data.resize, config.data.crop)}

    prepare, cached = _make_prepare(config, dataset)
    return Task(
        prepare=prepare,
        cached=cached,
        make_head=_make_head(config, dataset, kind),
        loss=loss,
        measure=measure,
        make_metric=lambda: ClassifyMetric(kind, config.task, dataset.taxonomy, scored),
        draw=draw,
        serve=_serve(config, dataset.taxonomy, kind),
        eval_example=eval_example,
        image_size=(config.data.crop, config.data.crop),
    )
