"""The grid of configs/study/microworld.py for a GPU: 50 times the images, deeper nets, 3 seeds.

    python -m data_prep.build --source=microworld --num_images=900000 \\
        --out=microworld/data/pretrain
    python -m data_prep.build --source=microworld --world=transfer --num_images=20000 \\
        --out=microworld/data/transfer
    python -m data_prep.build --source=microworld --num_images=900000 --copies=0.3 \\
        --out=microworld/data/copies
    python -m data_prep.build --source=microworld --num_images=100000 --seed=1 \\
        --out=microworld/data/clean
    python -m revisit.train --config=configs/demo.py --mode=pretrain --workdir=microworld/clean \\
        --config.data.dir=microworld/data/clean --config.task.labels=truth \\
        --config.model.depth=18 --config.model.width=64 --config.model.stem=conv3
    python -m revisit.study --config=configs/study/microworld_gpu.py --workdir=microworld/study

Spread it with --shard=i/n. Not run yet: measure images/s on one run, and plan by that.
"""

from ml_collections import ConfigDict

from configs.study import microworld

SIZES = (0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0)


def get_config() -> ConfigDict:
    """The microworld's grid over seven sizes and deeper, wider nets."""
    config = microworld.get_config()
    config.base.model.update({"depth": 18, "width": 64, "stem": "conv3"})
    config.base.train.batch_size = 256
    config.base.schedule.learning_rate = 0.4  # 0.1 for 64 images
    config.sweeps = (
        {"model.depth": (18, 34, 50), "data.fraction": SIZES},
        {"data.fraction": SIZES, "train.duration": ("3400000 examples",)},
        {"model.width": (32, 64, 128)},
        *microworld.ABLATIONS,
    )
    config.seeds = (0, 1, 2)
    return config
