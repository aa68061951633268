"""Data size x capacity on real photographs: Tiny ImageNet, frozen features and fine-tuning.

Prepare data/tiny and data/tiny_transfer as configs/tiny_imagenet.py says, then:

    python -m revisit.study --config=configs/study/tiny_imagenet.py --workdir=tiny/study

5 nested sizes over two decades x 2 depths x 2 seeds, every backbone trained on as many images seen
(5 epochs of all of it), so that sizes differ in data alone; each is probed and fine-tuned on 50
other classes, beside the same from random weights: 68 runs, about 2 hours on 2 cores as two parts
(--shard=0/2 and --shard=1/2; 5 to 9 minutes of pretraining a run). docs/study.md has the figures;
configs/study/tiny_imagenet_gpu.py is the grid for a GPU.
"""

from ml_collections import ConfigDict

from configs import tiny_imagenet
from configs.study import common


def get_config() -> ConfigDict:
    """Five sizes by two depths, all trained on as many images seen."""
    base = tiny_imagenet.get_config()
    base.train.duration = "300000 examples"
    return common.make_config(
        title="Tiny ImageNet: what is more pretraining data worth?",
        base=base,
        sweeps=({"model.depth": (8, 10), "data.fraction": (0.01, 0.0316, 0.1, 0.316, 1.0)},),
    )
