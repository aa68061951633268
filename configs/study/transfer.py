"""Does one backbone lift all four tasks, and does more pretraining data lift it higher?

    python -m data_prep.build --source=microworld --num_images=12000 --out=transfer/data/pretrain
    python -m data_prep.build --source=microworld --world=transfer --num_images=2000 \\
        --out=transfer/data/classes
    python -m data_prep.build --source=microworld --num_images=6000 --seed=1 \\
        --out=transfer/data/scenes
    echo person > transfer/people.txt
    printf '%s\\n' person mammal bird tree flower food vehicle structure furniture implement \\
        > transfer/things.txt
    python -m revisit.study --config=configs/study/transfer.py --workdir=transfer/study

A small ResNet is pretrained on 1/32, 1/9 and 1/3 of the images and on all of them; each backbone is
then trained on classification of classes that it never saw, and on detection, segmentation and pose
in scenes that it never saw, beside the same from random weights: 72 runs over 3 seeds.
docs/transfer.md has what came out. Transfer is short and on few images on purpose: what a backbone
brings shows there.
"""

from ml_collections import ConfigDict

from configs import default
from configs.study import common

SIDE = 64  # pixels of a microworld picture
DETECT = {
    "short_side": SIDE,
    "long_side": SIDE,
    "anchor_sizes": (16.0, 32.0, 56.0),
    "rpn_channels": 64,
    "proposals": 32,
    "box_samples": 8,
    "box_crop": 4,
}
DENSE = {"output_stride": 8}
POSE_RATE = {"learning_rate": 0.1}  # of 0.02, 0.05 and 0.1 the best for all starts together


def _transfer(task: dict, metric: str, data: dict, **others: dict) -> dict:
    return {
        "mode": "finetune",
        "title": task["name"].capitalize(),
        "metric": metric,
        "config": {"task": task, "data": data, **others},
    }


def _transfers() -> dict:
    classes = {"dir": "transfer/data/classes", "fraction": 0.5}
    scenes = {"dir": "transfer/data/scenes", "fraction": 0.15}
    things = {**scenes, "classes": "transfer/things.txt"}
    people = {"dir": "transfer/data/scenes", "images_of": "transfer/people.txt"}
    segment = {"name": "segment", "segment": {"side": SIDE, "crop": SIDE + 1}}
    pose = {"name": "pose", "pose": {"crop": (97, 65), "radius": 8.0}}
    return {
        "classify": _transfer({"name": "classify", "loss": "softmax"}, "top_1", classes),
        "detect": _transfer({"name": "detect", "detect": DETECT}, "map_50", things),
        "segment": _transfer(segment, "miou", scenes, model=DENSE),
        "pose": _transfer(pose, "map", people, model=DENSE, schedule=POSE_RATE),
    }


def get_config() -> ConfigDict:
    """Four nested sizes of pretraining data, four tasks, three seeds."""
    base = default.get_config()
    base.data.update({"dir": "transfer/data/pretrain", "resize": SIDE, "crop": 56})
    base.model.update({"depth": 8, "width": 32, "stem": "conv3_pool"})
    base.optimizer.update({"name": "nesterov"})
    base.schedule.update({"name": "cosine", "learning_rate": 0.1, "warmup": "5 percent"})
    base.train.update(
        {
            "batch_size": 64,
            "eval_batch_size": 100,
            "duration": "4 epochs",
            "eval_every": "0 steps",
            "save_every": "0 steps",
        }
    )
    base.modes.finetune = {
        "schedule": {"learning_rate": 0.02},
        "train": {"batch_size": 16, "duration": "200 steps", "eval_batch_size": 50},
    }
    return common.make_config(
        title="Microworld: one backbone, four tasks",
        base=base,
        sweeps=({"data.fraction": (1 / 32, 1 / 9, 1 / 3, 1.0)},),
        transfers=_transfers(),
        seeds=(0, 1, 2),
    )
