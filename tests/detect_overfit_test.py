"""Detection learns eight images by heart: targets, losses, decoding and measures agree.

About three minutes each on two cores.
"""

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


@pytest.mark.slow
def test_eight_scenes_of_the_microworld_are_learned_by_heart(tmp_path):
    source = SourceOptions(seed=0, num_images=NUM_IMAGES + 1, world="pretrain")
    build(BuildOptions("microworld", source, str(tmp_path / "data"), PlanOptions(), 0.0, 1), {})
    config = _config(tmp_path / "data", 128, 128, anchor_sizes=(20.0, 40.0, 80.0), proposals=64)
    config.task.detect.update({"box_samples": 32})
    config.train.duration = "700 steps"
    assert _train(config, tmp_path / "run")["map_50"] > 0.9
