"""The task "detect": from records to figures, results files, pictures and a served model."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data import geometry
from revisit.data.input import eval_batches
from revisit.data.records import read_dataset
from revisit.data.taxonomy import make_taxonomy
from revisit.data.views import view
from revisit.errors import UserError
from revisit.evaluation.results import score_results
from revisit.models import boxes as box_lib
from revisit.serving.exporter import export
from revisit.tasks import make_task
from revisit.tasks.detect import DetectMetric
from revisit.training import loop, modes
from revisit.training.checkpoint import find_checkpoint
from revisit.training.scoring import score

NUM_IMAGES = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("detect") / "data"
    source = SourceOptions(seed=0, num_images=NUM_IMAGES, world="pretrain")
    build(BuildOptions("microworld", source, str(directory), PlanOptions(), 0.0, 1), {})
    return directory


def make_config(data):
    config = default.get_config()
    config.task.name = "detect"
    config.task.detect.update({"short_side": 64, "long_side": 80, "rpn_channels": 16})
    config.task.detect.update({"anchor_sizes": (12.0, 24.0, 48.0), "box_crop": 4})
    config.task.detect.update({"rpn_samples": 32, "box_samples": 8, "proposals": 16})
    config.data.update({"dir": str(data)})
    config.model.update({"depth": 8, "width": 8, "stem": "conv3_pool"})
    config.optimizer.name = "sgd"
    config.schedule.update({"name": "constant", "learning_rate": 0.02})
    config.train.update({"batch_size": 8, "eval_batch_size": 4, "duration": "30 steps"})
    config.train.update({"log_every": "5 steps", "eval_every": "0 steps"})
    return config


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("detect") / "run"
    config = modes.resolve(make_config(data), "pretrain")
    return workdir, loop.train(config, "pretrain", str(workdir))


PYRAMID = {"fpn_channels": 16, "anchor_sizes": (12.0,), "box_crop": 3}


@pytest.fixture(scope="module")
def pyramid_run(data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("pyramid") / "run"
    config = make_config(data)
    config.task.detect.update(PYRAMID)
    return workdir, loop.train(modes.resolve(config, "pretrain"), "pretrain", str(workdir))


RUNS = ["run", pytest.param("pyramid_run", marks=pytest.mark.slow)]


def _found(boxes, scores, classes):
    return {"boxes": boxes, "scores": scores, "classes": tf.maximum(classes, 0)}


def test_targets_that_are_predicted_score_one(data):
    config = modes.resolve(make_config(data), "pretrain")
    dataset = read_dataset(str(data))
    task = make_task(config, dataset)
    metric = task.make_metric()
    for batch in eval_batches(dataset, "train", task.prepare, 4):
        anchors = box_lib.clip(batch["boxes"] + [-0.1, 0.0, 0.0, 0.1], tf.constant([0.0, 0, 1, 1]))
        decoded = box_lib.decode(box_lib.encode(batch["boxes"], anchors), anchors)
        scores = tf.cast(batch["labels"] >= 0, tf.float32)
        rows = task.measure(_found(decoded, scores, batch["labels"]), batch)
        metric.update({name: value.numpy() for name, value in rows.items()})
    figures = metric.result()
    assert figures["map"] == pytest.approx(1.0)
    assert figures["voc_map_75"] == pytest.approx(1.0)
    assert figures["num_examples"] == dataset.num_examples("train")
    objects = metric.annotations()["annotations"]
    assert len(objects) == dataset.metadata["num_objects"]["train"]


def test_training_moves_boxes_with_the_image_and_is_the_same_for_the_same_seed(data):
    config = modes.resolve(make_config(data), "pretrain")
    dataset = read_dataset(str(data))
    task = make_task(config, dataset)
    serialized = next(iter(tf.data.TFRecordDataset(dataset.shards["train"][0].path).batch(8)))
    seeds = tf.constant([[-1 - i if i % 2 else i, 7] for i in range(8)], tf.int64)
    moved, still = task.prepare(serialized, True, seeds), task.prepare(serialized, False, seeds)
    again = task.prepare(serialized, True, seeds)
    for name, value in moved.items():
        np.testing.assert_array_equal(value, again[name])
    for i in range(8):
        ours, theirs = moved["image"][i, :64, :64].numpy(), still["image"][i, :64, :64].numpy()
        width = 64
        shown = moved["image"][i].numpy()[:64, 80 - width :] if i % 2 else ours
        np.testing.assert_array_equal(shown[:, ::-1] if i % 2 else shown, theirs)
        transforms = (
            geometry.Transform(*tf.unstack(b["geometry"][i], axis=-2)) for b in (moved, still)
        )
        back = [
            geometry.apply_to_boxes(geometry.invert(transform), batch["boxes"][i])
            for transform, batch in zip(transforms, (moved, still))
        ]
        real = still["labels"][i].numpy() >= 0
        np.testing.assert_allclose(back[0][real], back[1][real], atol=1e-5)


def test_chosen_classes_stand_for_the_objects_below_them(data, tmp_path):
    (tmp_path / "classes.txt").write_text("artifact\nperson\n")
    config = modes.resolve(make_config(data), "pretrain")
    whole = read_dataset(str(data))
    config.data.classes = str(tmp_path / "classes.txt")
    some = view(whole, config.data)
    assert sorted(some.taxonomy.names) == ["artifact", "person"]
    batches = [
        next(iter(eval_batches(dataset, "train", make_task(config, dataset).prepare, 30)))
        for dataset in (whole, some)
    ]
    found = set()
    for before, after in zip(*(batch["labels"].numpy().ravel() for batch in batches)):
        above = {before, *whole.taxonomy.ancestors(before)} if before >= 0 else set()
        expected = {whole.taxonomy.names[id_] for id_ in above} & {"artifact", "person"}
        assert {some.taxonomy.names[id_] for id_ in [after] if id_ >= 0} == expected
        found |= expected
    assert found == {"artifact", "person"}


@pytest.mark.parametrize("name", RUNS)
def test_a_few_dozen_steps_lower_the_loss(request, name):
    rows = (request.getfixturevalue(name)[0] / "metrics.csv").read_text().splitlines()
    losses = [float(row.split(",")[3]) for row in rows if ",train,loss," in row]
    assert losses[-1] < 0.8 * losses[0]


def test_results_files_give_the_same_figures_to_the_official_tools(run, data):
    workdir, figures = run
    folder = workdir / "results" / "validation"
    again = score_results(
        str(folder / "detections.json"), str(folder / "annotations.json"), "detect"
    )["figures"]
    assert again == pytest.approx({name: figures[name] for name in again}, nan_ok=True)
    assert {path.name for path in workdir.glob("per_class*.csv")} == {
        "per_class.csv",
        "per_class_voc.csv",
    }
    report = score(str(workdir), "last", None, None)
    assert report["figures"] == pytest.approx(figures, nan_ok=True)
    assert json.loads(report["files"]["annotations.json"])["images"]


def _found_in_one_image(true_label, labels):
    """The metric of data_prep's classes of COCO's, the two numbers below a supercategory."""
    taxonomy = make_taxonomy(["7", "18", "beast"], [("18", "beast")], ["train", "dog", "beast"])
    metric = DetectMetric(taxonomy, "validation")
    box = [0.0, 0.0, 0.5, 0.5]
    rows = {"id": [b"139"], "weight": [1.0], "size": [[80, 60]]}
    rows |= {
        "truth": [[[*box, true_label, 12.0, 0, 0]]],
        "found": [[[*box, 0.9, x] for x in labels]],
    }
    metric.update({name: np.array(values) for name, values in rows.items()})
    return metric


def test_results_of_coco_have_its_numbers_and_no_supercategories():
    metric = _found_in_one_image(true_label=1, labels=[1, 2, 0])
    assert [each["category_id"] for each in metric.detections()] == [18, 7]
    assert [each["image_id"] for each in metric.detections()] == [139, 139]
    assert [each["id"] for each in metric.annotations()["categories"]] == [7, 18]
    assert [each["category_id"] for each in metric.annotations()["annotations"]] == [18]
    files = {name for name in metric.results() if name.startswith("voc/")}
    assert files == {"voc/comp4_det_val_train.txt", "voc/comp4_det_val_dog.txt"}


def test_a_class_above_others_that_objects_have_is_a_category():
    metric = _found_in_one_image(true_label=2, labels=[1, 2])
    assert [each["category_id"] for each in metric.detections()] == ["18", "beast"]
    assert metric.result()["map"] == pytest.approx(1.0)


def _backbone_variables(workdir):
    reader = tf.train.load_checkpoint(find_checkpoint(str(workdir)))
    names = [n for n in reader.get_variable_to_shape_map() if n.startswith("backbone/")]
    return {name: reader.get_tensor(name) for name in names if "OPTIMIZER_SLOT" not in name}


@pytest.mark.parametrize("sizes", [{}, PYRAMID], ids=["shared_stages", "pyramid"])
def test_a_probe_leaves_the_whole_backbone_and_says_what_was_loaded(run, data, tmp_path, sizes):
    config = make_config(data)
    config.train.duration = "2 steps"
    config.task.detect.update(sizes)
    config = modes.resolve(config, "linear_probe")
    loop.train(config, "linear_probe", str(tmp_path), init=str(run[0]))
    assert "starts from 45 of 45 backbone variables" in (tmp_path / "log.txt").read_text()
    before, after = _backbone_variables(run[0]), _backbone_variables(tmp_path)
    assert len(before) == 45
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


def test_frozen_batch_norms_stay_while_the_rest_learns(run, data, tmp_path):
    config = make_config(data)
    config.train.duration = "2 steps"
    config.model.freeze_batch_norm = True
    loop.train(modes.resolve(config, "finetune"), "finetune", str(tmp_path), init=str(run[0]))
    after = _backbone_variables(tmp_path)
    for name, value in _backbone_variables(run[0]).items():
        assert np.array_equal(value, after[name]) == ("norm" in name), name


@pytest.mark.parametrize("name", RUNS)
def test_the_exported_model_gives_boxes_in_pixels_of_the_image(request, name, tmp_path):
    version = export(str(request.getfixturevalue(name)[0]), str(tmp_path / "models"))
    signatures = tf.saved_model.load(str(version)).signatures
    assert set(signatures) >= {"serving_default", "images"}
    pixels = np.random.default_rng(0).integers(0, 256, (50, 200, 3), np.uint8)
    encoded = tf.io.encode_png(pixels).numpy()
    found = signatures["serving_default"](image_bytes=tf.constant([encoded] * 2))
    boxes, scores = found["boxes"].numpy()[0], found["scores"].numpy()[0]
    boxes = boxes[scores > 0]
    assert len(boxes)
    assert (boxes >= 0).all()
    assert (boxes <= [50, 200, 50, 200]).all()
    assert boxes[:, 3].max() > 80  # beyond the canvas: they are the image's own pixels
    assert found["names"].dtype == tf.string
    np.testing.assert_allclose(found["scores"][0], found["scores"][1], rtol=1e-5)


def test_pictures_show_truth_and_prediction(run, data):
    events = list((run[0] / "tensorboard").iterdir())
    text = b"".join(path.read_bytes() for path in events)
    assert b"validation/predicted" in text
    assert b"train/input" in text


@pytest.mark.parametrize(
    "field, value, message",
    [
        (
            "task.detect.short_side",
            0,
            "config.task.detect.short_side=0 must be in 1 to long_side=80",
        ),
        ("task.detect.fpn_channels", -1, "fpn_channels=-1: give 0 for no pyramid, or the channels"),
        ("task.detect.proposals", 0, "config.task.detect.proposals=0: give at least 1"),
        ("task.detect.anchor_sizes", (), r"anchor_sizes=\(\) is not one or more numbers above 0"),
        (
            "task.detect.anchor_ratios",
            (0.0, 1.0),
            r"ratios=\(0.0, 1.0\) is not one or more numbers",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_line(data, tmp_path, field, value, message):
    config = make_config(data)
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=message):
        loop.train(modes.resolve(config, "pretrain"), "pretrain", str(tmp_path))


def test_a_pyramid_of_a_backbone_without_falling_resolution_is_refused(data, tmp_path):
    config = make_config(data)
    config.task.detect.update(PYRAMID)
    config.model.output_stride = 8
    with pytest.raises(UserError, match="model.output_stride=8: a pyramid .* needs .*; give 32"):
        loop.train(modes.resolve(config, "pretrain"), "pretrain", str(tmp_path))


def test_data_without_boxes_is_refused(tiny_data: dict[str, pathlib.Path], tmp_path):
    config = make_config(tiny_data["multi"])
    with pytest.raises(UserError, match="needs boxes, and .* has none: build it from a source wi"):
        loop.train(modes.resolve(config, "pretrain"), "pretrain", str(tmp_path))
