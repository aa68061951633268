"""Detection learns eight images by heart: targets, losses, decoding and measures agree.

About three minutes each on two cores.
"""

import collections
import json

import pytest

from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.training import loop, modes

NUM_IMAGES = 8


def _config(data, short_side, long_side, **sizes):
    config = default.get_config()
    config.task.name = "detect"
    config.task.detect.update({"short_side": short_side, "long_side": long_side})
    config.task.detect.update({"rpn_channels": 64, "box_crop": 8, **sizes})
    config.data.update({"dir": str(data), "eval_split": "train", "flip": False})
    config.model.update({"depth": 10, "width": 16, "stem": "conv3_pool"})
    config.optimizer.update({"name": "adamw", "weight_decay": 0.0})
    config.schedule.update({"name": "cosine", "learning_rate": 1e-3, "warmup": "5 percent"})
    config.train.update({"batch_size": NUM_IMAGES, "eval_batch_size": NUM_IMAGES})
    config.train.update({"eval_every": "0 steps", "save_every": "0 steps"})
    return config


def _train(config, workdir):
    return loop.train(modes.resolve(config, "pretrain"), "pretrain", str(workdir))


@pytest.mark.slow
def test_eight_blood_smears_are_learned_by_heart(shared_data, tmp_path):
    bccd = shared_data("06_bccd", "BCCD")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    names = (bccd / "ImageSets" / "Main" / "train.txt").read_text().splitlines()[:NUM_IMAGES]
    (lists / "train.txt").write_text("\n".join(names) + "\n")
    source = SourceOptions(manifest=str(lists / "train.txt"), images=str(bccd))
    build(BuildOptions("voc", source, str(tmp_path / "data"), PlanOptions(), 0.0, 1), {})
    config = _config(tmp_path / "data", 168, 224, anchor_sizes=(20.0, 40.0, 64.0), proposals=100)
    config.task.detect.update({"rpn_samples": 128, "box_samples": 48})
    config.train.duration = "400 steps"
    figures = _train(config, tmp_path / "run")
    assert figures["map_50"] > 0.9
    assert figures["voc_map_50"] > 0.9


LEAST_SIDE = 60  # pixels of an object, 24 of them on the canvas


def _write_large_objects(folder, manifest):
    """COCO's annotations of the first eight images that show large objects alone."""
    content = json.loads((folder / "annotations" / manifest.name).read_text())
    objects = collections.defaultdict(list)
    for each in content["annotations"]:
        objects[each["image_id"]].append(each)
    shown = [
        id_ for id_, own in objects.items() if min(min(o["bbox"][2:]) for o in own) >= LEAST_SIDE
    ]
    images = [each for each in content["images"] if each["id"] in shown][:NUM_IMAGES]
    annotations = [each for image in images for each in objects[image["id"]]]
    manifest.write_text(json.dumps({**content, "images": images, "annotations": annotations}))


@pytest.mark.slow
def test_eight_images_of_coco_are_learned_by_heart(shared_data, tmp_path):
    folder = shared_data("04_coco2017-mini")
    manifest = tmp_path / "instances_train2017.json"
    _write_large_objects(folder, manifest)
    source = SourceOptions(manifest=str(manifest), images=str(folder))
    build(BuildOptions("coco", source, str(tmp_path / "data"), PlanOptions(), 0.0, 1), {})
    sizes = {"anchor_sizes": (24.0, 48.0, 96.0, 192.0), "proposals": 64}
    config = _config(tmp_path / "data", 256, 256, **sizes)
    config.task.detect.update({"rpn_samples": 128, "box_samples": 32})
    config.train.duration = "400 steps"
    figures = _train(config, tmp_path / "run")
    assert figures["num_examples"] == NUM_IMAGES
    assert figures["map_50"] > 0.9


STAGES = {"anchor_sizes": (20.0, 40.0, 80.0)}
PYRAMID = {"anchor_sizes": (10.0,), "box_crop": 7, "fpn_channels": 64}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [STAGES, PYRAMID], ids=["shared_stages", "pyramid"])
def test_eight_scenes_of_the_microworld_are_learned_by_heart(tmp_path, sizes):
    source = SourceOptions(seed=0, num_images=NUM_IMAGES + 1, world="pretrain")
    build(BuildOptions("microworld", source, str(tmp_path / "data"), PlanOptions(), 0.0, 1), {})
    config = _config(tmp_path / "data", 128, 128, proposals=64, **sizes)
    config.task.detect.update({"box_samples": 32})
    config.train.duration = "700 steps"
    assert _train(config, tmp_path / "run")["map_50"] > 0.9
