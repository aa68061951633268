"""Boxes, masks and keypoints: a small trained model of each task, a server, the client, a picture.

Each image has one red or blue block somewhere, and one of three sizes. What the client prints and
draws has to lie where the block is, in the image's own pixels. About two minutes on two cores.
"""

import io
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data.records import KEYPOINTS
from revisit.serving.exporter import export
from revisit.serving.predictors import ImageRefusedError, Outputs, make_predictor
from revisit.serving.warmup import WARMUP_PATH
from revisit.training import loop, modes

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SERVER = pathlib.Path(__file__).with_name("savedmodel_server.py")
NUM_TRAIN, NUM_IMAGES = 24, 27  # the others belong to validation
SIZES = ((60, 120), (130, 80), (90, 90))  # height, width
CLASSES = {"cat": 8, "dog": 12}  # in VOC's masks
JOINTS = ("left_shoulder", "right_shoulder", "left_ankle", "right_ankle")  # at a block's corners

pytestmark = pytest.mark.slow


class Scene(NamedTuple):
    """Pixels [H, W, 3] uint8, and where the block is: (ymin, xmin, ymax, xmax), pixels."""

    pixels: np.ndarray
    label: str
    box: np.ndarray


def draw_scene(index: int) -> Scene:
    generator = np.random.default_rng(index)
    size = np.array(SIZES[index % len(SIZES)])
    pixels = generator.integers(0, 60, (*size, 3)).astype(np.uint8)
    block = (size * generator.uniform(0.3, 0.5, 2)).astype(int)
    corner = generator.integers(0, size - block)
    box = np.concatenate([corner, corner + block])
    label = list(CLASSES)[generator.integers(2)]
    pixels[box[0] : box[2], box[1] : box[3], 2 * (label == "dog")] += 170
    return Scene(pixels, label, box)


def corners(scene: Scene) -> np.ndarray:
    """[4, 2] (y, x) of JOINTS."""
    ymin, xmin, ymax, xmax = scene.box
    return np.array([[ymin, xmin], [ymin, xmax], [ymax, xmin], [ymax, xmax]])


def split_of(index: int) -> str:
    return "train" if index < NUM_TRAIN else "val"


def write_voc(root: pathlib.Path, scenes: list[Scene]) -> str:
    """VOC's folders, with boxes and masks; gives the lists."""
    for folder in ("Annotations", "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for index, (pixels, label, box) in enumerate(scenes):
        name, (height, width) = f"scene{index}", pixels.shape[:2]
        lists[split_of(index)].append(name)
        sides = zip(("ymin", "xmin", "ymax", "xmax"), box + [1, 1, 0, 0])
        bounds = "".join(f"<{side}>{place}</{side}>" for side, place in sides)
        size = f"<width>{width}</width><height>{height}</height><depth>3</depth>"
        shown = f"<object><name>{label}</name><bndbox>{bounds}</bndbox></object>"
        xml = f"<annotation><filename>{name}.jpg</filename><size>{size}</size>{shown}</annotation>"
        (root / "Annotations" / f"{name}.xml").write_text(xml)
        mask = np.zeros((height, width), np.uint8)
        mask[box[0] : box[2], box[1] : box[3]] = CLASSES[label]
        Image.fromarray(mask).save(root / "SegmentationClass" / f"{name}.png")
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
    for split, names in lists.items():
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names))
    return str(root / "ImageSets" / "Segmentation" / "{train,val}.txt")


def write_coco(root: pathlib.Path, scenes: list[Scene]) -> str:
    """COCO's files of people who fill their images, with JOINTS; gives their pattern."""
    category = {"id": 1, "name": "person", "keypoints": list(KEYPOINTS)}
    files: dict[str, dict[str, list]] = {
        split: {"images": [], "annotations": [], "categories": [category]}
        for split in ("train", "val")
    }
    for index, scene in enumerate(scenes):
        height, width = scene.pixels.shape[:2]
        image = {"id": index, "file_name": f"scene{index}.jpg", "height": height, "width": width}
        triples = {joint: [0.0, 0.0, 0] for joint in KEYPOINTS}
        # COCO counts pixels from their centers, a box's sides from their borders.
        triples |= {joint: [x - 0.5, y - 0.5, 2] for joint, (y, x) in zip(JOINTS, corners(scene))}
        person = {"id": index + 1, "image_id": index, "category_id": 1, "iscrowd": 0}
        person |= {"bbox": [0, 0, width, height], "area": height * width, "num_keypoints": 4}
        person["keypoints"] = [float(number) for joint in triples.values() for number in joint]
        files[split_of(index)]["images"].append(image)
        files[split_of(index)]["annotations"].append(person)
    for split, content in files.items():
        (root / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return str(root / "person_keypoints_{train,val}.json")


def detect(config: Any) -> None:
    config.task.detect.update({"short_side": 64, "long_side": 96, "rpn_channels": 32})
    config.task.detect.update({"anchor_sizes": (16.0, 32.0, 48.0), "box_crop": 4})
    config.task.detect.update({"rpn_samples": 32, "box_samples": 16, "proposals": 16})
    config.train.duration = "250 steps"


def segment(config: Any) -> None:
    config.task.segment.update({"side": 64, "crop": 65, "scales": (1.0, 1.0)})
    config.model.output_stride = 8
    config.train.duration = "100 steps"


def pose(config: Any) -> None:
    config.task.pose.update({"crop": (97, 97), "radius": 9.0, "margins": (1.0, 1.0), "margin": 1.0})
    config.model.output_stride = 8
    config.train.duration = "150 steps"


TASKS: dict[str, Callable[[Any], None]] = {"detect": detect, "segment": segment, "pose": pose}


def train(task: str, data: pathlib.Path, workdir: pathlib.Path) -> None:
    config = default.get_config()
    config.task.name = task
    config.data.update({"dir": str(data), "flip": False})
    config.model.update({"depth": 8, "width": 16, "stem": "conv3_pool"})
    config.optimizer.update({"name": "adamw", "weight_decay": 0.0})
    config.schedule.update({"name": "cosine", "learning_rate": 3e-3, "warmup": "5 percent"})
    config.train.update({"batch_size": 8, "eval_batch_size": 3})
    config.train.update({"eval_every": "0 steps", "save_every": "0 steps"})
    TASKS[task](config)
    loop.train(modes.resolve(config, "pretrain"), "pretrain", str(workdir))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with an exported model of each of TASKS, under its name."""
    root = tmp_path_factory.mktemp("served")
    scenes = [draw_scene(index) for index in range(NUM_IMAGES)]
    lists = write_voc(root / "VOC", scenes)
    people, images = write_coco(root, scenes), str(root / "VOC" / "JPEGImages")
    sources = {
        "voc": SourceOptions(manifest=lists),
        "coco": SourceOptions(manifest=people, images=images),
    }
    for name, source in sources.items():
        build(BuildOptions(name, source, str(root / name), PlanOptions(), 0.0, 1), {})
    for task in TASKS:
        workdir = root / "runs" / task
        train(task, root / ("coco" if task == "pose" else "voc"), workdir)
        export(str(workdir), str(root / "models" / task))
    return root / "models"


@pytest.fixture(scope="module")
def addresses(models: pathlib.Path) -> Iterator[dict[str, str]]:
    """By protocol: the addresses of a server of `models`, which end in a model's name."""
    # It imports nothing of the project, and runs away from the checkout.
    command = [sys.executable, str(SERVER), str(models)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=models)
    assert process.stdout is not None
    rest, remote = process.stdout.readline().split()
    yield {
        "REST": f"http://127.0.0.1:{rest}/v1/models/",
        "gRPC": f"grpc://127.0.0.1:{remote}/",
    }
    process.terminate()
    process.wait()


def is_at_block_detect(answer: Outputs, scene: Scene) -> bool:
    best = int(np.argmax(answer["scores"]))
    box = np.array(answer["boxes"][best])
    shared = np.minimum(box, scene.box)[2:] - np.maximum(box, scene.box)[:2]
    intersection = np.prod(np.maximum(shared, 0))
    areas = (np.prod(each[2:] - each[:2]) for each in (box, scene.box))
    return (
        answer["titles"][best] == scene.label and intersection / (sum(areas) - intersection) > 0.6
    )


def is_at_block_segment(answer: Outputs, scene: Scene) -> bool:
    mask = np.asarray(Image.open(io.BytesIO(answer["mask_bytes"])))
    expected = np.zeros(scene.pixels.shape[:2], np.uint8)
    ymin, xmin, ymax, xmax = scene.box
    expected[ymin:ymax, xmin:xmax] = CLASSES[scene.label]
    return bool(mask.shape == expected.shape and np.mean(mask == expected) > 0.9)


def is_at_block_pose(answer: Outputs, scene: Scene) -> bool:
    places = dict(zip(answer["names"], answer["keypoints"]))
    distances = [places[joint] for joint in JOINTS] - corners(scene)
    return bool(np.abs(distances).max() < 10)


IS_AT_BLOCK: dict[str, Callable[[Outputs, Scene], bool]] = {
    "detect": is_at_block_detect,
    "segment": is_at_block_segment,
    "pose": is_at_block_pose,
}


def encode(scene: Scene) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene.pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
@pytest.mark.parametrize("task", TASKS)
def test_answers_lie_in_the_pixels_of_the_image_that_was_sent(
    addresses: dict[str, str], task: str, protocol: str
) -> None:
    predict = make_predictor(addresses[protocol] + task, 60)
    for index in range(NUM_TRAIN, NUM_IMAGES):
        scene = draw_scene(index)
        answer = predict(encode(scene))
        assert IS_AT_BLOCK[task](answer, scene), (scene.label, scene.box, answer)


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
@pytest.mark.parametrize("task", TASKS)
def test_the_client_draws_what_it_is_told(
    addresses: dict[str, str], task: str, protocol: str, tmp_path: pathlib.Path
) -> None:
    scene = draw_scene(NUM_TRAIN)
    (tmp_path / "scene.jpg").write_bytes(encode(scene))
    command = [sys.executable, "-m", "revisit.client", f"--url={addresses[protocol]}{task}"]
    arguments = [f"--out={tmp_path / 'found'}", str(tmp_path / "scene.jpg")]
    asked = subprocess.run([*command, *arguments], cwd=REPOSITORY, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    drawn = Image.open(tmp_path / "found" / "scene.png")
    height, width = scene.pixels.shape[:2]
    assert drawn.size[0] * height == drawn.size[1] * width  # as sent, or enlarged as a whole
    plain = Image.open(tmp_path / "scene.jpg").resize(drawn.size, Image.Resampling.NEAREST)
    changed = np.any(np.asarray(plain) != np.asarray(drawn), axis=-1)
    assert 0 < changed.mean() < 0.6


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
@pytest.mark.parametrize("task", TASKS)
def test_bad_bytes_fail_alone_in_a_server(
    addresses: dict[str, str], task: str, protocol: str
) -> None:
    predict = make_predictor(addresses[protocol] + task, 60)
    good = encode(draw_scene(NUM_TRAIN))
    for bad in (b"", b"just words", good[: len(good) // 2]):
        with pytest.raises(ImageRefusedError):
            predict(bad)
        assert predict(good)["names"]


@pytest.mark.parametrize("task", TASKS)
def test_bad_bytes_fail_the_batch_that_holds_them_in_every_signature(
    models: pathlib.Path, task: str
) -> None:
    loaded = tf.saved_model.load(str(models / task / "1"))
    good, bad = encode(draw_scene(NUM_TRAIN)), b"just words"

    def ask(name: str, images: list[bytes]) -> int:
        """The rows of the answer."""
        features = [tf.train.Features(feature={"image": as_feature(each)}) for each in images]
        examples = [tf.train.Example(features=each).SerializeToString() for each in features]
        given = {
            "image_bytes": tf.constant(images),
            "examples": tf.constant(examples),
            "boxes": tf.constant([[[0.0, 0.0, 40.0, 40.0]]] * len(images)),
        }
        signature = loaded.signatures[name]
        names = signature.structured_input_signature[1]
        return int(signature(**{each: given[each] for each in names})["scores"].shape[0])

    takes_bytes = {"serving_default", "examples", "boxes"} & loaded.signatures.keys()
    assert len(takes_bytes) == 2 + (task == "pose")
    for name in takes_bytes:
        with pytest.raises(tf.errors.InvalidArgumentError):
            ask(name, [good, bad, good])
        assert ask(name, [good, good]) == 2


@pytest.mark.parametrize("task", TASKS)
def test_every_warmup_request_runs(models: pathlib.Path, task: str) -> None:
    version = models / task / "1"
    loaded = tf.saved_model.load(str(version))
    records = tf.data.TFRecordDataset(str(version / WARMUP_PATH)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    requests = [log.predict_log.request for log in logs]
    for request in requests:
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        outputs = loaded.signatures[request.model_spec.signature_name](**inputs)
        assert {len(each) for each in (*inputs.values(), *outputs.values())} in ({1}, {8})
    assert {each.model_spec.signature_name for each in requests} == loaded.signatures.keys()


def as_feature(image: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
