"""The demo's study: how far does more pretraining data take a small ResNet on the microworld?

    python -m revisit.study --config=configs/study/demo.py --workdir=DIR

Three nested subsets (1/9, 1/3, all) x 2 seeds are pretrained, each for 4 epochs as in the paper, so
a larger set is also trained on for longer; each backbone is transferred to classes that pretraining
never saw, with frozen features (linear_probe) and whole (finetune), beside the same from random
weights: 22 runs, sized for about 7 minutes on 2 cores. The report says what came of it, growth or
not.
"""

from ml_collections import ConfigDict

from configs import demo
from configs.study import common


def get_config() -> ConfigDict:
    """Three nested sizes of pretraining data, two seeds, both kinds of transfer."""
    return common.make_config(
        title="Microworld: what is more pretraining data worth?",
        base=demo.get_config(),
        sweeps=({"data.fraction": (1 / 9, 1 / 3, 1.0)},),
    )
