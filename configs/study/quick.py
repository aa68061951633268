"""Every ablation of the paper on the microworld, small: what all the tables and figures look like.

    python -m data_prep.build --source=microworld --num_images=2400 --out=quick/data/pretrain
    python -m data_prep.build --source=microworld --world=transfer --num_images=2000 \\
        --out=quick/data/transfer
    python -m data_prep.build --source=microworld --num_images=2400 --copies=0.3 \\
        --out=quick/data/copies
    python -m data_prep.build --source=microworld --num_images=1200 --seed=1 --out=quick/data/clean
    python -m revisit.train --config=configs/demo.py --mode=pretrain --workdir=quick/clean \\
        --config.data.dir=quick/data/clean --config.task.labels=truth
    taskset -c 0 python -m revisit.study --config=configs/study/quick.py --workdir=quick/study \\
        --shard=0/2 &
    taskset -c 1 python -m revisit.study --config=configs/study/quick.py --workdir=quick/study \\
        --shard=1/2

14 pretraining runs x 2 seeds, each then probed with frozen features, and the probes of random
weights: 60 runs, about 13 minutes on 2 cores as these two parts, of which the last one reports.
quick/clean is a small, clean set of other images: what ImageNet is beside JFT-300M. In
quick/data/copies 3 images in 10 show an earlier one again. Runs are far too short for conclusions;
configs/study/microworld.py is the same at a size that may have some.
"""

from ml_collections import ConfigDict

from configs import demo
from configs.study import common


def get_config() -> ConfigDict:
    """Every axis of the microworld study at its fewest levels, probed alone."""
    base = demo.get_config()
    base.data.dir = "quick/data/pretrain"
    base.modes.linear_probe.data.dir = "quick/data/transfer"
    base.modes.linear_probe.data.fraction = 0.5
    base.modes.linear_probe.train.duration = "10 epochs"
    return common.make_config(
        title="Microworld, small: what is more data worth, and what else?",
        base=base,
        sweeps=(
            {"data.fraction": (1 / 9, 1 / 3, 1.0)},
            # As many steps for every size: what of the growth is more images, not more steps?
            {"data.fraction": (1 / 9, 1.0), "train.duration": ("143 steps",)},
            {"train.duration": ("1 epochs", "4 epochs")},
            {"data.classes": ("50", "")},
            {"model.depth": (8, 10), "data.fraction": (1 / 9, 1.0)},
            {"data.noise_wrong": (0.0, 0.6)},
            {"data.noise_missing": (0.0, 0.5)},
            {"data.dir": ("quick/data/copies",), "data.drop_duplicates": ("none", "all")},
            {"start": ("random", "quick/clean")},
        ),
        transfers={"linear_probe": {"mode": "linear_probe"}},
        costs={"image": 0.01, "clean_label": 0.05, "gpu_hour": 2.0, "budget": 100.0},
        target=0.5,
    )
