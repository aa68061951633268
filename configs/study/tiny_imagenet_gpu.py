"""The grid of configs/study/tiny_imagenet.py for a GPU: deeper nets, longer training, 3 seeds.

    python -m revisit.study --config=configs/study/tiny_imagenet_gpu.py --workdir=tiny/study

Spread it with --shard=i/n. Not run yet: measure images/s on one run, and plan by that.
"""

from ml_collections import ConfigDict

from configs.study import tiny_imagenet


def get_config() -> ConfigDict:
    """Tiny ImageNet's five sizes by three deeper nets, ten times as long."""
    config = tiny_imagenet.get_config()
    config.base.model.update({"depth": 18, "width": 64, "stem": "conv3"})
    config.base.train.update({"batch_size": 256, "duration": "3000000 examples"})
    config.base.schedule.learning_rate = 0.4  # 0.1 for 64 images
    (sweep,) = config.sweeps
    config.sweeps = ({**sweep, "model.depth": (18, 34, 50)},)
    config.seeds = (0, 1, 2)
    return config
