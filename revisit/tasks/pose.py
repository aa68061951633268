"""Pose: the keypoints of people in boxes, by G-RMI (see revisit.models.pose).

A person is cut out of the image: the box is grown to the crop's aspect ratio and then by a factor,
which is random in training. A training example is one of an image's people, another one each time
that the image comes; its neighbours are still in the crop, and the network has to learn that their
keypoints aren't asked for. Evaluation looks at all the people of an image, in the boxes that are
given with them or that a detector found, and scores them in the image's own pixels.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from revisit.data import geometry, images
from revisit.data.input import each_example, pad_list
from revisit.data.records import KEYPOINTS, Contents, Dataset, Shard, parse_record
from revisit.data.skeletons import draw_skeletons
from revisit.errors import UserError
from revisit.evaluation import coco
from revisit.evaluation.pose import PERSON, PoseMetric
from revisit.models import pose
from revisit.tasks.task import Batch, Outputs, Task, is_range

MAX_FOUND = 20  # boxes of an image that a detector found: COCO counts as many poses an image
PEOPLE = (PERSON, "person")  # categories of a detector that was trained on COCO, or on other sets
SHOWN_SCORE = 0.2  # from which on a keypoint is drawn


class _Boxes(NamedTuple):
    """Boxes to look at: scores [P] (0: none) and boxes [P, 4] in [0, 1] of the image."""

    scores: tf.Tensor
    boxes: tf.Tensor


def _pad_people(record: dict, num_people: int) -> dict[str, tf.Tensor]:
    return {name: pad_list(value, num_people) for name, value in record["people"].items()}


def _has_keypoints(people: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """[P] bool: people to learn from and to look at; neither crowds nor those without keypoints."""
    return tf.reduce_any(people["keypoints"][..., 2] > 0, axis=1) & ~people["is_crowd"]


def _given_boxes(record: dict, people: Mapping[str, tf.Tensor]) -> _Boxes:
    return _Boxes(tf.cast(_has_keypoints(people), tf.float32), people["box"])


def _read_detections(path: str) -> dict[str, np.ndarray]:
    """A detector's results in COCO's form -> image id -> the best of its people, [n, 5] (score,
    ymin, xmin, ymax, xmax in pixels).

    Raises:
      UserError: the file can't be read, is not in that form, or has nobody.
    """
    found: dict[str, list[tuple[float, ...]]] = {}
    try:
        for each in coco.load_json(path):
            if each["category_id"] in PEOPLE and each["score"] > 0:
                x, y, width, height = each["bbox"]
                row = (each["score"], y, x, y + height, x + width)
                found.setdefault(str(each["image_id"]), []).append(row)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"config.task.pose.boxes={path!r} does not hold boxes in COCO's form of results, a "
            f"list of objects with image_id, category_id, bbox and score: {error!r}"
        ) from error
    if not found:
        raise UserError(
            f"config.task.pose.boxes={path!r} has no person: none of its boxes has a category_id "
            f"of {' or '.join(map(repr, PEOPLE))} and a score above 0"
        )
    return {
        id_: np.array(sorted(rows, reverse=True)[:MAX_FOUND], np.float32)
        for id_, rows in found.items()
    }


def _check_images(path: str, ids: Container[str], shards: Iterable[Shard]) -> None:
    """Raises UserError where the file has a box for none of the images; the first one ends it."""
    for serialized in tf.data.TFRecordDataset([shard.path for shard in shards]):
        if parse_record(serialized, Contents())["id"].numpy().decode() in ids:
            return
    raise UserError(
        f"config.task.pose.boxes={path!r} has no person in any image of the split that is "
        "evaluated: are these results of another split?"
    )


def _detected_boxes(
    path: str, shards: Iterable[Shard]
) -> Callable[[dict, Mapping[str, tf.Tensor]], _Boxes]:
    detections = _read_detections(path)
    _check_images(path, detections, shards)
    found = {"": np.zeros([0, 5], np.float32), **detections}
    table = np.stack(
        [np.pad(rows, [(0, MAX_FOUND - len(rows)), (0, 0)]) for rows in found.values()]
    )
    ids = list(found)

    def detected_boxes(record: dict, people: Mapping[str, tf.Tensor]) -> _Boxes:
        # Of an image that is not in the file no element is true: the first row, which is empty.
        row = tf.argmax(tf.cast(tf.constant(ids) == record["id"], tf.int32))
        of_image = tf.gather(tf.constant(table), row)
        size = tf.cast(record["size"], tf.float32)
        return _Boxes(of_image[:, 0], of_image[:, 1:] / tf.concat([size, size], axis=0))

    return detected_boxes


def _choose_person(people: Mapping[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Index of one of the people with keypoints."""
    lots = tf.random.stateless_uniform(tf.shape(people["area"]), seed)
    return tf.argmax(tf.where(_has_keypoints(people), lots, -1.0))


def _make_train_example(config: ConfigDict) -> Callable[[dict, Mapping, tf.Tensor], dict]:
    options = config.task.pose

    def train_example(record: dict, people: Mapping[str, tf.Tensor], seed: tf.Tensor) -> dict:
        person = _choose_person(people, seed)
        least, largest = options.margins
        draws = tf.random.stateless_uniform([2], tf.random.experimental.stateless_fold_in(seed, 1))
        box, margin = people["box"][person], least + draws[0] * (largest - least)
        move = geometry.crop_box(record["size"], box, margin, tuple(options.crop))
        move = geometry.mirror(move, config.data.flip & (draws[1] < 0.5))
        moved = geometry.apply_to_keypoints(move, people["keypoints"])
        is_person = tf.range(tf.shape(moved)[0]) == tf.cast(person, tf.int32)
        return {
            "id": record["id"],
            "image": geometry.apply_to_image(move, record["image"]),
            "keypoints": moved[person],
            "neighbours": tf.where(is_person[:, tf.newaxis, tf.newaxis], 0.0, moved),
        }

    return train_example


def _crop(image: tf.Tensor, box: tf.Tensor, options: ConfigDict) -> dict[str, tf.Tensor]:
    move = geometry.crop_box(tf.shape(image)[:2], box, options.margin, tuple(options.crop))
    return {"image": geometry.apply_to_image(move, image), "transform": tf.stack(move)}


def _crop_all(image: tf.Tensor, boxes: tf.Tensor, options: ConfigDict) -> dict[str, tf.Tensor]:
    """Crops of the boxes [P, 4] in [0, 1]: "image" [P, H, W, 3] uint8, "transform" [P, 4, 2]."""
    signature = {
        "image": tf.TensorSpec([*options.crop, 3], tf.uint8),
        "transform": tf.TensorSpec([4, 2], tf.float32),
    }
    return tf.map_fn(lambda box: _crop(image, box, options), boxes, fn_output_signature=signature)


def _make_eval_example(
    config: ConfigDict, dataset: Dataset
) -> Callable[[dict, Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]:
    # What is exported has no images to find boxes of, and needs no file of them.
    options, shards = config.task.pose, dataset.shards.get(config.data.eval_split)
    find_boxes = (
        _detected_boxes(options.boxes, shards) if options.boxes and shards else _given_boxes
    )

    def eval_example(record: dict, people: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        scores, boxes = find_boxes(record, people)
        return {
            **_crop_all(record["image"], boxes, options),
            "id": record["id"],
            "box_scores": scores,
            "boxes": boxes,
            "num_people": tf.shape(record["people"]["area"])[0],
            "true_boxes": people["box"],
            "true_keypoints": people["keypoints"],
            "areas": people["area"],
            "is_crowd": tf.cast(people["is_crowd"], tf.int32),
        }

    return eval_example


def _make_prepare(
    config: ConfigDict, dataset: Dataset
) -> Callable[[dict, bool, tf.Tensor], dict[str, tf.Tensor]]:
    num_people = max(1, dataset.metadata.get("max_people", 1))
    train_example = _make_train_example(config)
    eval_example = _make_eval_example(config, dataset)

    def prepare(record: dict, training: bool, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = images.decode(record["image"])
        record = {**record, "image": image, "size": tf.shape(image)[:2]}
        people = _pad_people(record, num_people)
        return train_example(record, people, seed) if training else eval_example(record, people)

    return prepare


def _cross_entropy(logits: tf.Tensor, in_disk: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """[B, h, w, K] -> [B], the sum over cells and keypoints that count."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(in_disk, tf.float32), logits)
    return tf.reduce_sum(losses * tf.cast(counted, tf.float32), axis=[1, 2, 3])


def _distance(offsets: tf.Tensor, target: pose.Target) -> tf.Tensor:
    """Huber's loss of the distance in pixels, in the disks: [B]."""
    squares = tf.reduce_sum((offsets - target.offsets) ** 2, axis=-1)
    huber = tf.where(squares < 1, squares / 2, tf.sqrt(tf.maximum(squares, 1.0)) - 0.5)
    return tf.reduce_sum(huber * tf.cast(target.in_disk, tf.float32), axis=[1, 2, 3])


def _make_loss(config: ConfigDict) -> Callable[[Outputs, Batch], tf.Tensor]:
    """Sections 3.2.1 and 3.2.2: neighbours' keypoints are negatives, as all else that isn't asked
    for, save for the intermediate heatmap, which can't tell whose they are: there they don't count.

    The paper's sums are divided by the number of the person's known keypoints and of a disk's
    cells, so that a rate suits crops of any size; keypoints that nobody marked count nothing.
    """
    weights, options = config.task.pose, _options(config)

    def loss(outputs: Outputs, batch: Batch) -> tf.Tensor:
        keypoints, neighbours = batch["keypoints"], batch["neighbours"]
        cells, coarse = (tuple(outputs[key].shape[1:3]) for key in ("heatmap", "intermediate"))
        known = keypoints[..., 2] > 0  # [B, K]
        target = pose.encode(keypoints, cells, options)
        others = tf.reduce_any(pose.encode(neighbours, coarse, options).in_disk, axis=1)
        own = pose.encode(keypoints, coarse, options).in_disk
        is_known = known[:, tf.newaxis, tf.newaxis]
        terms = (
            weights.heatmap_weight * _cross_entropy(outputs["heatmap"], target.in_disk, is_known)
            + weights.offset_weight * _distance(outputs["offsets"], target)
        ) / pose.cells_in_disk(cells, options)
        intermediate = _cross_entropy(outputs["intermediate"], own, is_known & (own | ~others))
        terms += weights.heatmap_weight * intermediate / pose.cells_in_disk(coarse, options)
        num_known = tf.reduce_sum(tf.cast(known, tf.float32), axis=1)
        return terms / tf.maximum(num_known, 1.0)

    return loss


def _options(config: ConfigDict) -> pose.Options:
    return pose.Options(tuple(config.task.pose.crop), config.task.pose.radius)


def _make_predict(config: ConfigDict) -> Callable[[Callable[[Batch], Outputs], Batch], Outputs]:
    """Keypoints [..., K, 3] (y, x in [0, 1] of the crop, score) of each crop [..., H, W, 3]; of
    several crops an image, the network looks only at those that are real."""
    options = _options(config)

    def find(run: Callable[[Batch], Outputs], crops: tf.Tensor) -> tf.Tensor:
        outputs = run({"image": crops})
        return tf.map_fn(
            lambda each: pose.decode(each[0], each[1], options),
            (outputs["heatmap"], outputs["offsets"]),
            fn_output_signature=tf.TensorSpec([len(KEYPOINTS), 3], tf.float32),
        )

    def predict(run: Callable[[Batch], Outputs], batch: Batch) -> Outputs:
        crops = batch["image"]
        if crops.shape.rank == 4:
            return {"keypoints": find(run, crops)}
        places = tf.where(batch["box_scores"] > 0)
        # One more than asked for, whatever it is: a convolution refuses to look at none.
        looked_at = tf.concat([tf.zeros([1, 2], tf.int64), places], axis=0)
        found = find(run, tf.gather_nd(crops, looked_at))[1:]
        shape = tf.concat([tf.shape(crops)[:2], tf.shape(found)[1:]], axis=0)
        keypoints = tf.scatter_nd(places, found, tf.cast(shape, tf.int64))
        return {"keypoints": tf.ensure_shape(keypoints, [*crops.shape[:2], *found.shape[1:]])}

    return predict


def _in_image(keypoints: tf.Tensor, stacked: tf.Tensor) -> tf.Tensor:
    """Keypoints [..., K, 3] of crops -> of their images."""
    move = geometry.unstack(stacked)
    return geometry.apply_to_keypoints(geometry.invert(move), keypoints)


SCORED = (
    *("id", "weight", "num_people", "true_boxes", "true_keypoints", "areas", "is_crowd"),
    *("box_scores", "boxes"),
)


def _measure(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
    return {
        **{name: batch[name] for name in SCORED},
        "size": batch["transform"][:, 0, 2],
        "keypoints": _in_image(outputs["keypoints"], batch["transform"]),
    }


def _first_crops(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """A crop of each image, [B, H, W, 3] uint8, and the people around it, [B, P, K, 3]."""
    if "keypoints" in batch:
        return images.to_pixels(batch["image"]).numpy(), batch["keypoints"][:, np.newaxis].numpy()
    move = geometry.unstack(batch["transform"][:, 0])
    people = geometry.apply_to_keypoints(move, batch["true_keypoints"])
    return images.to_pixels(batch["image"][:, 0]).numpy(), people.numpy()


def _draw(batch: Batch, outputs: Outputs | None = None) -> np.ndarray:
    """The first crop of each image with its people and, beside them, who was found."""
    crops, people = _first_crops(batch)
    drawn = [draw_skeletons(crop, of_crop) for crop, of_crop in zip(crops, people)]
    if outputs is not None:
        found = outputs["keypoints"][:, :1].numpy()
        found[..., 2] *= found[..., 2] >= SHOWN_SCORE
        beside = [draw_skeletons(crop, of_crop) for crop, of_crop in zip(crops, found)]
        drawn = [np.concatenate(pair, axis=1) for pair in zip(drawn, beside)]
    return np.stack(drawn)


def _serve(outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
    """keypoints [B, K, 2] (y, x) in pixels of the image that was sent, scores and names [B, K]; of
    P boxes an image [B, P, K, 2] and [B, P, K]."""
    keypoints = outputs["keypoints"]
    size = tf.cast(tf.shape(batch["image"])[-3:-1], tf.float32)
    if "transform" in batch:  # else pixels came as the crop itself
        keypoints = _in_image(keypoints, batch["transform"])
        size = batch["transform"][..., tf.newaxis, 2, :]
    scores = keypoints[..., 2]
    names = tf.broadcast_to(tf.constant(KEYPOINTS), tf.shape(scores))
    return {"keypoints": keypoints[..., :2] * size, "scores": scores, "names": names}


def _check_people(config: ConfigDict, dataset: Dataset) -> None:
    if not dataset.contents.people:
        raise UserError(
            f"config.task.name='pose' needs people with keypoints, and {dataset.directory} has "
            "none: build it from a source that has them, as coco (person_keypoints_*.json) or "
            "microworld"
        )
    for split in (config.data.train_split, config.data.eval_split):
        if not dataset.metadata["num_people"].get(split, 1):
            raise UserError(
                f"config.task.name='pose': there is no person in the split {split!r} of "
                f"{dataset.directory}"
            )


def _check(config: ConfigDict) -> None:
    options, stride = config.task.pose, config.model.output_stride
    if any(side % stride != 1 for side in options.crop):
        nearest = tuple(round((side - 1) / stride) * stride + 1 for side in options.crop)
        raise UserError(
            f"config.task.pose.crop={tuple(options.crop)}: both sides have to be 1 more than a "
            f"multiple of config.model.output_stride={stride}; take {nearest}"
        )
    if not is_range(options.margins):
        raise UserError(f"config.task.pose.margins={tuple(options.margins)} is no range above 0")
    for field in ("radius", "margin", "nms"):
        if options[field] <= 0:
            raise UserError(f"config.task.pose.{field}={options[field]} is not above 0")


def make_pose(config: ConfigDict, dataset: Dataset) -> Task:
    """The pose task of a config, for one data set (for export: none is needed).

    Raises:
      UserError: a field of config.task.pose does not fit, or the data set has no people.
    """
    _check(config)
    if dataset.shards:
        _check_people(config, dataset)
    options = config.task.pose

    def eval_example(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        whole = ConfigDict({"margin": 1.0, "crop": options.crop})
        return _crop(images.decode(encoded), tf.constant([0.0, 0.0, 1.0, 1.0]), whole)

    def box_example(encoded: tf.Tensor, boxes: tf.Tensor) -> dict[str, tf.Tensor]:
        image = images.decode(encoded)
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        fractions = boxes / tf.concat([size, size], axis=0)
        is_box = tf.reduce_all(boxes[:, :2] < boxes[:, 2:], axis=1)
        return {**_crop_all(image, fractions, options), "box_scores": tf.cast(is_box, tf.float32)}

    return Task(
        prepare=each_example(_make_prepare(config, dataset), Contents(people=True)),
        make_head=lambda backbone: pose.make_head(backbone, _options(config)),
        loss=_make_loss(config),
        measure=_measure,
        make_metric=lambda: PoseMetric(options.nms),
        draw=_draw,
        serve=_serve,
        eval_example=eval_example,
        image_size=tuple(options.crop),
        predict=_make_predict(config),
        box_example=box_example,
    )
