"""The task "pose": from records to figures, results files, pictures and a served model."""

import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from configs import default, microworld_pose
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data import input as data_input
from revisit.data.records import Dataset, read_dataset
from revisit.errors import UserError
from revisit.evaluation.results import score_results
from revisit.models import pose
from revisit.serving.signatures import make_signatures
from revisit.tasks import Task, make_task
from revisit.training import loop, modes
from revisit.training.model import load_model, predict
from revisit.training.scoring import score

CROP = (97, 65)
CELLS = (13, 9)
NUM_TRAIN = 38  # of the microworld's 40 images


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("pose") / "data"
    source = SourceOptions(seed=0, num_images=40, world="pretrain")
    build(BuildOptions("microworld", source, str(directory), PlanOptions(), 0.0, 1), {})
    return directory


def _make_config(data: pathlib.Path, **pose_fields: Any) -> Any:
    config = default.get_config()
    config.task.name = "pose"
    config.task.pose.update({"crop": CROP, "radius": 9.0, **pose_fields})
    config.data.update({"dir": str(data), "eval_split": "train"})
    config.model.update({"depth": 10, "width": 8, "stem": "conv3_pool", "output_stride": 8})
    config.optimizer.name = "sgd"
    config.schedule.update({"name": "constant", "learning_rate": 0.02})
    config.train.update({"batch_size": 8, "eval_batch_size": 4, "duration": "40 steps"})
    config.train.update({"log_every": "10 steps", "eval_every": "0 steps"})
    return modes.resolve(config, "pretrain")


def _make_task(config: Any) -> tuple[Task, Dataset]:
    dataset = read_dataset(config.data.dir)
    return make_task(config, dataset), dataset


def _crop_keypoints(transform: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Keypoints of an image [P, K, 3] -> those of a crop, by the transform's own definition."""
    scale, translation, source_size, canvas_size = transform
    points = (keypoints[..., :2] * source_size * scale + translation) / canvas_size
    return np.concatenate([points, keypoints[..., 2:]], axis=-1).astype(np.float32)


def _true_outputs(batch: dict) -> dict[str, tf.Tensor]:
    """What a perfect network says of the crops that `predict` shows it: the first, and all real."""
    options = pose.Options(CROP, 9.0)
    looked_at = [(0, 0), *np.argwhere(batch["box_scores"].numpy() > 0)]
    crops = [
        _crop_keypoints(batch["transform"][row, place].numpy(), batch["true_keypoints"][row, place])
        for row, place in looked_at
    ]
    target = pose.encode(
        tf.constant(np.array(crops, np.float32).reshape(-1, 17, 3)), CELLS, options
    )
    return {"heatmap": tf.where(target.in_disk, 20.0, -20.0), "offsets": target.offsets}


def _score_perfect(task: Task, batches: Iterator[dict]) -> dict[str, float]:
    metric = task.make_metric()
    for batch in batches:
        outputs = task.predict(lambda _, batch=batch: _true_outputs(batch), batch)
        rows = {name: value.numpy() for name, value in task.measure(outputs, batch).items()}
        metric.update(rows)
    return metric.result()


def test_targets_that_are_predicted_score_one(data: pathlib.Path) -> None:
    task, dataset = _make_task(_make_config(data))
    batches = data_input.eval_batches(dataset, "train", task.prepare, 4)
    figures = _score_perfect(task, batches)
    assert figures["map"] == figures["ar"] == pytest.approx(1.0)
    assert figures["num_examples"] == dataset.num_examples("train")


def _stream(task: Task, dataset: Dataset, seed: int) -> dict[str, tf.Tensor]:
    shards = data_input.train_shards(dataset, "train", 1.0)
    return next(
        iter(data_input.train_batches(shards, task.prepare, NUM_TRAIN, data_input.Stream(seed)))
    )


def test_training_crops_hold_the_person_and_depend_on_the_seed_alone(data: pathlib.Path) -> None:
    task, dataset = _make_task(_make_config(data))
    batch, again, other = (_stream(task, dataset, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(batch["image"], again["image"])
    assert not np.array_equal(batch["image"], other["image"])
    keypoints = batch["keypoints"].numpy()
    known = keypoints[..., 2] > 0
    assert known.any(axis=1).sum() >= 5
    assert ((keypoints[known][:, :2] > -0.1) & (keypoints[known][:, :2] < 1.1)).all()
    neighbours = batch["neighbours"].numpy()
    assert not (neighbours == keypoints[:, np.newaxis])[known.any(axis=1)].all((2, 3)).any()


def _one(keypoints: np.ndarray, neighbours: np.ndarray) -> dict:
    return {"keypoints": tf.constant(keypoints[None]), "neighbours": tf.constant(neighbours[None])}


def _outputs(heatmap: np.ndarray, intermediate: np.ndarray) -> dict[str, tf.Tensor]:
    offsets = tf.zeros([1, *CELLS, 17, 2])
    maps = {"heatmap": heatmap, "intermediate": intermediate}
    return {**{name: tf.constant(each[None]) for name, each in maps.items()}, "offsets": offsets}


def test_a_neighbours_keypoint_is_wrong_in_the_last_heatmap_and_ignored_before_it(
    data: pathlib.Path,
) -> None:
    task, _ = _make_task(_make_config(data))
    person, neighbour = np.zeros((17, 3), np.float32), np.zeros((1, 17, 3), np.float32)
    person[0] = 0.5 / CROP[0], 0.5 / CROP[1], 2  # at cell (0, 0)
    neighbour[0, 0] = 48.5 / CROP[0], 32.5 / CROP[1], 2  # at cell (6, 4)
    batch = _one(person, neighbour)
    quiet, loud, elsewhere = (np.full((*CELLS, 17), -3, np.float32) for _ in range(3))
    loud[6, 4, 0] = 3.0
    elsewhere[3, 8, 0] = 3.0
    base, last, before, wrong_before = (
        float(task.loss(_outputs(*maps), batch)[0])
        for maps in ((quiet, quiet), (loud, quiet), (quiet, loud), (quiet, elsewhere))
    )
    assert last > base + 1
    assert before == pytest.approx(base)
    assert wrong_before > base + 1
    loud_unknown = quiet.copy()
    loud_unknown[..., 5] = 3.0  # a keypoint that nobody marked
    assert float(task.loss(_outputs(loud_unknown, loud_unknown), batch)[0]) == pytest.approx(base)


def test_an_image_without_people_costs_nothing(data: pathlib.Path) -> None:
    task, _ = _make_task(_make_config(data))
    nobody = np.zeros((17, 3), np.float32)
    maps = np.ones((*CELLS, 17), np.float32)
    loss = task.loss(_outputs(maps, maps), _one(nobody, nobody[None]))
    assert loss.numpy().tolist() == [0.0]


@pytest.fixture(scope="module")
def run(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    workdir = tmp_path_factory.mktemp("pose") / "run"
    loop.train(_make_config(data), "pretrain", str(workdir))
    return workdir


def _losses(workdir: pathlib.Path) -> list[float]:
    lines = (workdir / "metrics.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if ",train,loss," in line]
    return [float(row[3]) for row in rows]


def test_the_loss_falls_and_results_are_cocos_files(run: pathlib.Path, tmp_path) -> None:
    losses = _losses(run)
    assert losses[-1] < 0.7 * losses[0]
    report = score(str(run), "last", None, "train")
    for name, content in report["files"].items():
        (tmp_path / name).write_text(content)
    files = str(tmp_path / "keypoints.json"), str(tmp_path / "annotations.json")
    figures = score_results(*files, "pose")["figures"]
    assert figures["map"] == pytest.approx(report["figures"]["map"])
    assert report["figures"]["num_examples"] == NUM_TRAIN


def test_a_linear_probe_trains_the_head_alone(run: pathlib.Path, data, tmp_path) -> None:
    config = _make_config(data)
    config.train.duration = "2 steps"
    loop.train(config, "linear_probe", str(tmp_path), init=str(run))
    before, after = load_model(str(run)), load_model(str(tmp_path))
    for old, new in zip(before.backbone.variables, after.backbone.variables, strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(before.head.variables[0], after.head.variables[0])


def test_pictures_show_truth_and_prediction_side_by_side(data: pathlib.Path) -> None:
    task, dataset = _make_task(_make_config(data))
    batch = next(iter(data_input.eval_batches(dataset, "train", task.prepare, 8)))
    outputs = task.predict(lambda _: _true_outputs(batch), batch)
    pictures = task.draw(batch, outputs)
    height, width = (3 * side for side in CROP)
    assert pictures.shape == (8, height, 2 * width, 3)
    shown = batch["box_scores"].numpy()[:, 0] > 0
    left, right = pictures[:, :, :width], pictures[:, :, width:]
    alike = np.mean(np.all(left == right, axis=-1), axis=(1, 2))
    assert (alike[shown] > 0.97).all()
    blank = task.draw(_stream(task, dataset, 0), None)
    assert blank.shape == (NUM_TRAIN, height, width, 3)


def _detections(dataset: Dataset, task: Task) -> list[dict]:
    """The true boxes, as a detector of COCO's form would give them, and a few that aren't used."""
    found = []
    for batch in data_input.eval_batches(dataset, "train", task.prepare, NUM_TRAIN):
        for row, place in np.argwhere(batch["box_scores"].numpy() > 0):
            height, width = batch["transform"][row, place, 2].numpy()
            corners = batch["true_boxes"][row, place].numpy() * np.tile([height, width], 2)
            ymin, xmin, ymax, xmax = corners
            id_ = batch["id"][row].numpy().decode()
            box = [float(value) for value in (xmin, ymin, xmax - xmin, ymax - ymin)]
            found.append({"image_id": id_, "category_id": 1, "bbox": box, "score": 0.5})
    return [*found, {"image_id": "elsewhere", "category_id": 1, "bbox": box, "score": 1}]


def test_boxes_of_a_detector_give_the_crops_of_evaluation(data, tmp_path: pathlib.Path) -> None:
    task, dataset = _make_task(_make_config(data))
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(_detections(dataset, task)))
    detected, _ = _make_task(_make_config(data, boxes=str(path)))
    truth, found = (
        next(iter(data_input.eval_batches(dataset, "train", each.prepare, NUM_TRAIN)))
        for each in (task, detected)
    )
    true_scores, scores = truth["box_scores"].numpy(), found["box_scores"].numpy()
    assert scores.shape == (NUM_TRAIN, 20)
    assert ((scores > 0).sum(axis=1) == (true_scores > 0).sum(axis=1)).all()
    alone = np.flatnonzero(((true_scores > 0).sum(axis=1) == 1) & (true_scores[:, 0] > 0))
    assert len(alone) > 3
    np.testing.assert_allclose(
        found["transform"].numpy()[alone, 0], truth["transform"].numpy()[alone, 0], atol=1e-3
    )
    difference = found["image"].numpy()[alone, 0] - truth["image"].numpy()[alone, 0]
    assert np.abs(difference).max() < 0.02


def test_served_keypoints_are_in_the_images_own_pixels(run: pathlib.Path) -> None:
    loaded = load_model(str(run))
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)
    signatures = make_signatures(loaded)
    encoded = tf.constant([tf.io.encode_png(pixels).numpy()])
    answer = signatures["serving_default"](image_bytes=encoded)
    assert answer["keypoints"].shape == (1, 17, 2)
    assert answer["names"].numpy()[0, 0] == b"nose"
    whole = loaded.task.eval_example(encoded[0])
    crop = signatures["images"](images=tf.cast(whole["image"][None], tf.float32) / 127.5 - 1)
    # Of a 97 x 65 crop of a 40 x 30 image, 30 pixels are 65 wide, and the crop is 97 high.
    scale = 65 / 30
    expected = (crop["keypoints"].numpy() - [97 / 2, 65 / 2]) / scale + [20, 15]
    np.testing.assert_allclose(answer["keypoints"], expected, atol=1e-3)
    np.testing.assert_allclose(answer["scores"], crop["scores"], atol=1e-5)


def test_given_boxes_are_served_as_evaluation_looks_at_them(run: pathlib.Path, data) -> None:
    loaded = load_model(str(run))
    task, dataset = _make_task(_make_config(data))
    batch = next(iter(data_input.eval_batches(dataset, "train", task.prepare, NUM_TRAIN)))
    outputs = predict(task, loaded.backbone, loaded.head, batch)
    expected = task.serve(outputs, batch)
    records = tf.data.TFRecordDataset([shard.path for shard in dataset.shards["train"]])
    field = {"image": tf.io.FixedLenFeature([], tf.string)}
    encoded = [tf.io.parse_single_example(record, field)["image"] for record in records]
    size = batch["transform"][:, :1, 2]
    boxes = batch["true_boxes"] * tf.concat([size, size], axis=-1)
    answer = make_signatures(loaded)["boxes"](image_bytes=tf.stack(encoded), boxes=boxes)
    looked_at = batch["box_scores"].numpy() > 0
    assert looked_at.sum() > 3
    assert answer["keypoints"].shape == (*looked_at.shape, 17, 2)
    for name, tolerance in (("keypoints", 1e-3), ("scores", 1e-5)):
        ours, theirs = (each[name].numpy()[looked_at] for each in (answer, expected))
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
    assert not answer["scores"].numpy()[boxes.numpy()[..., 2] == 0].any()


WRONG: list[tuple[Callable[[Any], None], str]] = [
    (
        lambda config: config.task.pose.update({"crop": (96, 65)}),
        r"crop=\(96, 65\): both sides have to be 1 more than a multiple of "
        r"config.model.output_stride=8; take \(97, 65\)",
    ),
    (lambda config: config.task.pose.update({"margins": (1.5, 1.0)}), "is no range above 0"),
    (lambda config: config.task.pose.update({"margins": (1.5,)}), "is no range above 0"),
    (lambda config: config.task.pose.update({"radius": 0.0}), "radius=0.0 is not above 0"),
    (lambda config: config.task.pose.update({"boxes": "no.json"}), "cannot read 'no.json'"),
]


@pytest.mark.parametrize("spoil, words", WRONG)
def test_what_does_not_fit_is_one_clear_line(data: pathlib.Path, spoil, words: str) -> None:
    config = _make_config(data)
    spoil(config)
    with pytest.raises(UserError, match=words):
        _make_task(config)


def test_data_without_people_is_refused(tiny_data, data: pathlib.Path) -> None:
    config = _make_config(tiny_data["multi"])
    with pytest.raises(UserError, match="needs people with keypoints, and .* has none: build it"):
        _make_task(config)
    dataset = read_dataset(str(data))
    nobody = dataset._replace(metadata={**dataset.metadata, "num_people": {"train": 0}})
    with pytest.raises(UserError, match="there is no person in the split 'train' of"):
        make_task(_make_config(data), nobody)


def test_a_file_of_other_results_is_refused(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text('[{"image_id": 1, "category_id": 1, "score": 1, "keypoints": []}]')
    with pytest.raises(UserError, match="does not hold boxes in COCO's form of results, a list"):
        _make_task(_make_config(data, boxes=str(path)))
    path.write_text('[{"image_id": 1, "category_id": 18, "score": 1, "bbox": [0, 0, 9, 9]}]')
    with pytest.raises(UserError, match="has no person: none of its boxes has a category_id of 1"):
        _make_task(_make_config(data, boxes=str(path)))
    path.write_text('[{"image_id": 1, "category_id": 1, "score": 1, "bbox": [0, 0, 9, 9]}]')
    with pytest.raises(UserError, match="no person in any image of the split that is evaluated"):
        _make_task(_make_config(data, boxes=str(path)))


def _overfit(source: str, options: SourceOptions, directory: pathlib.Path) -> dict[str, float]:
    built = str(directory / "data")
    build(BuildOptions(source, options, built, PlanOptions(), 0.0, 1), {})
    config = microworld_pose.get_config()
    config.data.dir = built
    return loop.train(modes.resolve(config, "pretrain"), "pretrain", str(directory / "run"))


@pytest.mark.slow
def test_eight_images_of_coco_are_learned_by_heart(shared_data, tmp_path: pathlib.Path) -> None:
    folder = shared_data("04_coco2017-mini")
    content = json.loads((folder / "annotations" / "person_keypoints_train2017.json").read_text())
    shown = {each["image_id"] for each in content["annotations"] if each["num_keypoints"] >= 8}
    content["images"] = [each for each in content["images"] if each["id"] in shown][:8]
    listed = {each["id"] for each in content["images"]}
    people = [each for each in content["annotations"] if each["image_id"] in listed]
    manifest = tmp_path / "person_keypoints_train2017.json"
    manifest.write_text(json.dumps({**content, "annotations": people}))
    options = SourceOptions(manifest=str(manifest), images=str(folder))
    figures = _overfit("coco", options, tmp_path)
    assert figures["num_examples"] == 8
    assert figures["map"] > 0.9


@pytest.mark.slow
def test_a_few_images_of_the_microworld_are_learned_by_heart(tmp_path: pathlib.Path) -> None:
    figures = _overfit("microworld", SourceOptions(num_images=24), tmp_path)
    assert figures["map"] > 0.9
