"""revisit.tasks.segment: targets, loss, figures and files against other ways to get them."""

import io
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import sklearn.metrics
import tensorflow as tf
from PIL import Image

from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources import voc
from data_prep.sources.source import SourceOptions
from revisit.data import input as data_input
from revisit.data.records import read_dataset
from revisit.errors import UserError
from revisit.evaluation.segmentation import voc_palette
from revisit.serving.signatures import make_signatures
from revisit.tasks import make_task
from revisit.training import loop, modes
from revisit.training.model import load_model
from revisit.training.scoring import score

NUM_TRAIN, NUM_VALIDATION = 8, 5
CAT, DOG = 8, 12  # in VOC's masks
OBJECT = (  # VOC's lists need one somewhere
    "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
    "</bndbox></object>"
)
SIZES = ((40, 64), (64, 40), (50, 50), (33, 47), (70, 60))  # height, width


def _draw(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a red or a blue block, and its mask, with a border that is not to be judged."""
    generator = np.random.default_rng(index)
    height, width = SIZES[index % len(SIZES)]
    image = generator.integers(0, 80, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    rows, columns = (slice(size // 5, size // 5 + size // 2) for size in (height, width))
    mask[rows.start - 1 : rows.stop + 1, columns.start - 1 : columns.stop + 1] = 255
    mask[rows, columns] = (CAT, DOG)[index % 2]
    image[rows, columns, 2 * (index % 2)] += 150
    return image, mask


def _write_voc(root: pathlib.Path) -> None:
    """VOC's folders; the mask of the image "wrong" has another size than the image."""
    for folder in ("Annotations", "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    names = [f"image{index}" for index in range(NUM_TRAIN + NUM_VALIDATION)]
    for index, name in enumerate([*names, "wrong"]):
        image, mask = _draw(index)
        height, width = mask.shape
        size = f"<width>{width}</width><height>{height}</height><depth>3</depth>"
        xml = f"<annotation><filename>{name}.jpg</filename><size>{size}</size>{OBJECT}</annotation>"
        (root / "Annotations" / f"{name}.xml").write_text(xml)
        Image.fromarray(image).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        drawn = Image.fromarray(mask[:-1] if name == "wrong" else mask)
        drawn.putpalette(voc_palette().tobytes())
        drawn.save(root / "SegmentationClass" / f"{name}.png")
    lists = root / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("\n".join([*names[:NUM_TRAIN], "wrong"]))
    (lists / "val.txt").write_text("\n".join(names[NUM_TRAIN:]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("masks")
    _write_voc(root / "VOC2012")
    lists = root / "VOC2012" / "ImageSets" / "Segmentation"
    source = SourceOptions(manifest=f"{lists}/train.txt,{lists}/val.txt")
    plan = PlanOptions(seed=0, examples_per_shard=16)
    build(BuildOptions("voc", source, str(root / "data"), plan, 0.1, 1), {})
    return root / "data"


@pytest.fixture
def config(data: pathlib.Path) -> Any:
    config = default.get_config()
    config.task.name = "segment"
    config.data.dir = str(data)
    config.task.segment.update({"side": 64, "crop": 65})
    config.model.update({"depth": 10, "width": 8, "stem": "conv3_pool", "output_stride": 8})
    config.optimizer.name = "nesterov"
    config.schedule.update({"name": "poly", "learning_rate": 0.02})
    config.train.update({"batch_size": 4, "eval_batch_size": 3, "duration": "10 steps"})
    config.train.log_every = "5 steps"
    return config


def _batch(config: Any, split: str = "validation", batch_size: int = NUM_VALIDATION) -> Any:
    dataset = read_dataset(config.data.dir)
    task = make_task(config, dataset)
    return task, next(iter(data_input.eval_batches(dataset, split, task.prepare, batch_size)))


def _true_masks(batch: Any) -> list[np.ndarray]:
    """The masks as they were drawn, in a batch's order."""
    return [_draw(int(name.decode().rpartition("image")[2]))[1] for name in batch["id"].numpy()]


def test_a_mask_of_another_size_than_its_image_is_listed_as_a_reject(data: pathlib.Path) -> None:
    assert read_dataset(data).num_examples("train") == NUM_TRAIN
    (reject,) = (data / "rejects.csv").read_text().splitlines()[1:]
    assert "wrong" in reject
    assert "is a mask of 47x32 pixels, its annotation says 47x33" in reject


@pytest.mark.parametrize("resize", [64, 128, 100])
def test_perfect_scores_give_an_miou_of_one(config: Any, resize: int) -> None:
    config.task.segment.side = resize
    task, batch = _batch(config)
    metric = task.make_metric()
    metric.update(_measured(task, {"logits": tf.one_hot(batch["mask"], 21)}, batch))
    figures = metric.result()
    if resize % 64 == 0:  # else a pixel of the canvas may lie on the border of two of the image
        assert (figures["miou"], figures["pixel_accuracy"]) == (1.0, 1.0)
    assert figures["miou"] > 0.95
    assert figures["num_examples"] == NUM_VALIDATION


def _measured(task: Any, outputs: dict, batch: Any) -> dict[str, np.ndarray]:
    return {name: row.numpy() for name, row in task.measure(outputs, batch).items()}


def _expected_classes(logits: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """The class at each pixel's center, from a grid that has a cell on every 8th canvas pixel."""
    places = [((np.arange(side) + 0.5) * scale - 0.5) / 8 for side in size]
    mesh = np.meshgrid(*places, indexing="ij")
    scores = [
        scipy.ndimage.map_coordinates(channel, mesh, order=1, mode="nearest")
        for channel in np.moveaxis(logits, -1, 0)
    ]
    return np.argmax(scores, axis=0)


def test_figures_and_files_equal_an_independent_computation(config: Any) -> None:
    config.task.segment.side = 100
    task, batch = _batch(config)
    logits = np.random.default_rng(1).normal(size=(NUM_VALIDATION, 14, 14, 21)).astype(np.float32)
    batch["weight"] = tf.constant([1.0, 1.0, 0.0, 1.0, 1.0])  # as if the third were padding
    metric = task.make_metric()
    metric.update(_measured(task, {"logits": logits}, batch))

    true, predicted = [], []
    for index, mask in enumerate(_true_masks(batch)):
        classes = _expected_classes(logits[index], mask.shape, 100 / max(mask.shape))
        name = batch["id"].numpy()[index].decode()
        path = f"Segmentation/comp6_val_cls/{name}.png"
        if index == 2:
            assert path not in metric.results()
            continue
        true.extend(mask[mask != 255])
        predicted.extend(classes[mask != 255])
        written = Image.open(io.BytesIO(metric.results()[path]))
        assert written.mode == "P"
        np.testing.assert_array_equal(np.asarray(written), classes)
    present = range(21)
    expected = sklearn.metrics.jaccard_score(true, predicted, average=None, labels=present)
    assert metric.result()["miou"] == pytest.approx(expected.mean())
    rows = metric.tables()["per_class.csv"]
    assert [row["class"] for row in rows][:3] == ["background", "aeroplane", "bicycle"]
    np.testing.assert_allclose([row["iou"] for row in rows], expected)


def test_the_loss_is_the_mean_over_pixels_that_have_a_class(config: Any) -> None:
    task, batch = _batch(config)
    logits = np.random.default_rng(2).normal(size=(NUM_VALIDATION, 9, 9, 21)).astype(np.float32)
    mask = batch["mask"].numpy()
    mask[1] = 255
    losses = task.loss({"logits": tf.constant(logits)}, {**batch, "mask": mask})
    enlarged = tf.compat.v1.image.resize_bilinear(logits, [65, 65], align_corners=True).numpy()
    shares = scipy.special.log_softmax(enlarged, axis=-1)
    for index, loss in enumerate(losses.numpy()):
        rows, columns = np.nonzero(mask[index] != 255)
        classes = mask[index, rows, columns]
        expected = -shares[index, rows, columns, classes].mean() if len(rows) else 0.0
        assert loss == pytest.approx(expected, rel=1e-4)


def test_training_windows_move_image_and_mask_together(config: Any) -> None:
    dataset = read_dataset(config.data.dir)
    task = make_task(config, dataset)
    shards = data_input.train_shards(dataset, "train", 1.0)
    batches = data_input.train_batches(shards, task.prepare, 8, data_input.Stream(seed=0))
    shares = []
    for batch in batches.take(3):
        pixels, mask = (batch["image"].numpy() + 1) * 127.5, batch["mask"].numpy()
        assert pixels.shape == (8, 65, 65, 3)
        # Blocks are brighter than noise can be, and padding is gray.
        assert np.mean(pixels[..., 0][mask == CAT] > 100) > 0.97
        assert np.mean(pixels[..., 2][mask == DOG] > 100) > 0.97
        assert np.mean(pixels[mask == 0] > 100) < 0.03
        shares.append(np.mean(mask == 255, axis=(1, 2)))
    assert np.ptp(shares) > 0.2  # images of many sizes
    assert np.unique(shares).size > 12


def test_several_views_of_an_image_are_averaged(config: Any) -> None:
    config.task.segment.eval_flip = True
    task, batch = _batch(config)
    generator = np.random.default_rng(3)
    weights = generator.normal(size=(9, 9, 3, 21)).astype(np.float32)

    def run(views: Any) -> dict[str, tf.Tensor]:
        return {"logits": tf.einsum("bhwc,hwcn->bhwn", views["image"][:, ::8, ::8], weights)}

    found = tf.nn.softmax(task.predict(run, batch)["logits"]).numpy()
    pixels = batch["image"].numpy()[:, ::8, ::8]
    plain = scipy.special.softmax(np.einsum("bhwc,hwcn->bhwn", pixels, weights), axis=-1)
    mirrored = np.einsum("bhwc,hwcn->bhwn", pixels[:, :, ::-1], weights)
    mirrored = scipy.special.softmax(mirrored, axis=-1)[:, :, ::-1]
    np.testing.assert_allclose(found, (plain + mirrored) / 2, atol=1e-5)


def test_views_of_several_sizes_keep_their_places(config: Any) -> None:
    """Scores that change smoothly with the place are the same at any size."""
    config.task.segment.eval_scales = (1.0, 0.5, 1.5)
    task, batch = _batch(config)
    ramp = np.tile(np.linspace(-1, 1, 65, dtype=np.float32)[:, None, None], (1, 65, 3))
    sides = []

    def run(views: Any) -> dict[str, tf.Tensor]:
        sides.append(views["image"].shape[1])
        channel = views["image"][:, ::8, ::8, :1]
        return {"logits": tf.concat([channel, -channel], axis=-1)}

    image = tf.constant(np.stack([ramp, ramp[::-1]]))
    found = tf.nn.softmax(task.predict(run, {**batch, "image": image})["logits"]).numpy()
    assert sides == [65, 33, 97]
    expected = scipy.special.softmax(np.stack([ramp, -ramp], axis=-1)[::8, ::8, 0], axis=-1)
    np.testing.assert_allclose(found[0], expected, atol=6e-3)  # probabilities bend a little


@pytest.fixture(scope="module")
def pretrained(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier with the same backbone, but for its output stride."""
    config = default.get_config()
    config.data.update({"dir": str(data), "resize": 40, "crop": 32, "eval_split": "train"})
    config.model.update({"depth": 10, "width": 8, "stem": "conv3_pool"})
    config.train.update({"batch_size": 4, "eval_batch_size": 4, "duration": "1 steps"})
    workdir = str(tmp_path_factory.mktemp("pretrained") / "run")
    loop.train(modes.resolve(config, "pretrain"), "pretrain", workdir)
    return workdir


@pytest.mark.parametrize("mode", ["linear_probe", "finetune"])
def test_the_loss_falls_from_a_classifiers_backbone_that_fits_whole(
    config: Any,
    pretrained: str,
    mode: str,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config.task.segment.scales = (1.0, 1.0)
    config.train.update({"batch_size": 8, "duration": "12 steps", "log_every": "4 steps"})
    config.train.update({"eval_every": "0 steps", "save_every": "0 steps"})
    figures = loop.train(modes.resolve(config, mode), mode, str(tmp_path / "run"), init=pretrained)
    assert "starts from 60 of 60 backbone variables from " in capsys.readouterr().out
    losses = [
        float(line.split(",")[3])
        for line in (tmp_path / "run" / "metrics.csv").read_text().splitlines()
        if ",train,loss," in line
    ]
    assert losses[-1] < 0.6 * losses[0]
    assert len(losses) == 3
    assert figures["num_examples"] == NUM_VALIDATION


@pytest.fixture(scope="module")
def finished(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    config = default.get_config()
    config.task.name = "segment"
    config.data.dir = str(data)
    config.task.segment.update({"side": 64, "crop": 65})
    config.model.update({"depth": 10, "width": 8, "stem": "conv3_pool", "output_stride": 8})
    config.train.update({"batch_size": 4, "eval_batch_size": 3, "duration": "2 steps"})
    workdir = str(tmp_path_factory.mktemp("finished") / "run")
    loop.train(modes.resolve(config, "pretrain"), "pretrain", workdir)
    return workdir


def test_every_image_is_scored_once_and_its_mask_written(finished: str, data: pathlib.Path) -> None:
    report = score(finished, "last", None, None)
    assert report["figures"]["num_examples"] == NUM_VALIDATION
    folder = pathlib.Path(finished, "results", "validation", "Segmentation", "comp6_val_cls")
    written = {path.stem: Image.open(path).size for path in folder.glob("*.png")}
    indices = range(NUM_TRAIN, NUM_TRAIN + NUM_VALIDATION)
    sizes = [_draw(index)[1].shape[::-1] for index in indices]
    assert sorted(written.values()) == sorted(sizes)
    events = next(pathlib.Path(finished, "tensorboard").iterdir()).read_bytes()
    assert b"validation/predicted" in events
    assert b"train/input" in events


def test_an_exported_model_gives_evaluations_masks_and_names(finished: str) -> None:
    loaded = load_model(finished)
    answer = make_signatures(loaded)["serving_default"]
    images = [_draw(NUM_TRAIN + index)[0] for index in range(2)]
    encoded = [tf.io.encode_png(image) for image in images]
    outputs = answer(image_bytes=tf.stack(encoded))
    for index, image in enumerate(images):
        mask = np.asarray(Image.open(io.BytesIO(outputs["mask_bytes"].numpy()[index])))
        assert mask.shape == image.shape[:2]
        best = int(outputs["class_ids"][index, 0])
        assert outputs["scores"][index, 0].numpy() == pytest.approx(np.mean(mask == best))
        names = [name.decode() for name in outputs["names"][index].numpy()]
        assert sorted(names) == sorted(voc.MASK_CLASSES)
        assert names[0] == voc.MASK_CLASSES[best]


def test_pictures_show_image_truth_and_prediction_side_by_side(config: Any) -> None:
    task, batch = _batch(config)
    pictures = task.draw(batch, {"logits": tf.one_hot(batch["mask"], 21)})
    image, given, predicted = np.split(pictures, 3, axis=2)
    mask = batch["mask"].numpy()
    assert len(pictures) == NUM_VALIDATION
    for index in range(NUM_VALIDATION):
        shown = np.isin(mask[index], (CAT, DOG))
        np.testing.assert_array_equal(
            given[index, :65, :65][shown], predicted[index, :65, :65][shown]
        )
        assert (given[index, :65, :65][shown] != image[index, :65, :65][shown]).any(axis=-1).all()


def test_words_under_a_picture_name_its_classes(config: Any, monkeypatch: Any) -> None:
    captions: list[list[str]] = []

    def keep(pictures: np.ndarray, words: list[list[str]]) -> np.ndarray:
        captions.extend(words)
        return pictures

    monkeypatch.setattr("revisit.tasks.segment.caption_images", keep)
    task, batch = _batch(config)
    task.draw(batch, {"logits": tf.one_hot(tf.zeros_like(batch["mask"]), 21)})
    assert {given for given, _ in captions} <= {"given: cat", "given: dog", "given: cat, dog"}
    assert {predicted for _, predicted in captions} == {"predicted: background"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task.segment.crop": 64},
            "segment.crop=64 is not 1 more than a multiple of .*: take 65",
        ),
        ({"model.stem": "patch4"}, "'patch4' has no cell on an image's border"),
        (
            {"task.segment.scales": (2.0, 1.0)},
            r"segment.scales=\(2.0, 1.0\) is not a range above 0",
        ),
        ({"task.segment.scales": (1.0,)}, r"segment.scales=\(1.0,\) is not a range above 0"),
        ({"task.segment.side": 0}, "segment.side=0: give at least 1 pixel"),
        ({"task.segment.eval_scales": (0.0,)}, r"segment.eval_scales=\(0.0,\) is not one or more"),
    ],
)
def test_a_config_that_does_not_fit_is_named(config: Any, changes: dict, message: str) -> None:
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=message):
        make_task(config, read_dataset(config.data.dir))


def test_a_data_set_without_masks_is_named(config: Any, tiny_data: dict[str, pathlib.Path]) -> None:
    dataset = read_dataset(tiny_data["single"])
    with pytest.raises(UserError, match="config.task.name='segment' needs masks, and .* has none"):
        make_task(config, dataset)


def test_other_mask_classes_than_those_of_training_are_named(
    finished: str, data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    metadata = json.loads((other / "metadata.json").read_text())
    metadata["mask_classes"][1] = "airplane"
    (other / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match="masks of .* have the classes .*'airplane'"):
        score(finished, "last", str(other), None)


def _overfit(config: Any, source: str, options: SourceOptions, directory: pathlib.Path) -> float:
    """The mIOU on a split's few images after training on them."""
    built = str(directory / "data")
    build(BuildOptions(source, options, built, PlanOptions(), 0.0, 1), {})
    config.data.update({"dir": built, "eval_split": "train", "flip": False})
    config.task.segment.scales = (1.0, 1.0)
    config.optimizer.update({"name": "adamw", "weight_decay": 0.0})
    config.schedule.update({"name": "cosine", "learning_rate": 3e-3, "warmup": "5 percent"})
    config.model.update({"depth": 8, "width": 32})
    config.train.update({"batch_size": 8, "duration": "200 steps", "eval_every": "0 steps"})
    run = modes.resolve(config, "pretrain")
    return loop.train(run, "pretrain", str(directory / "run"))["miou"]


@pytest.mark.slow
def test_eight_images_of_voc_are_learned_by_heart(
    shared_data: Callable[..., pathlib.Path], config: Any, tmp_path: pathlib.Path
) -> None:
    """Targets, loss, decoding and figures agree: an mIOU of 0.94 in about four minutes."""
    lists = shared_data("05_voc2012-mini", "VOCdevkit", "VOC2012", "ImageSets", "Segmentation")
    chosen = tmp_path / "ImageSets" / "Segmentation" / "train.txt"
    chosen.parent.mkdir(parents=True)
    chosen.write_text("\n".join((lists / "train.txt").read_text().split()[:8]))
    source = SourceOptions(manifest=str(chosen), images=str(lists.parents[1]))
    config.task.segment.update({"side": 256, "crop": 257})
    assert _overfit(config, "voc", source, tmp_path) > 0.9


@pytest.mark.slow
def test_eight_scenes_of_the_microworld_are_learned_by_heart(
    config: Any, tmp_path: pathlib.Path
) -> None:
    """At 64 pixels a grid of stride 8 can't say more than an mIOU of 0.82, at 192 it can: 0.97.

    Two minutes on two cores.
    """
    config.task.segment.update({"side": 192, "crop": 193})
    options = SourceOptions(seed=0, num_images=9, world="pretrain")
    assert _overfit(config, "microworld", options, tmp_path) > 0.9
