r"""The paper's transfer to ImageNet: the JFT-300M backbone, fine-tuned by the baseline's recipe.

Command:  python -m revisit.train --config=configs/paper/imagenet_finetune.py --mode=finetune \
              --init=PRETRAINED --workdir=DIR --config.data.dir=DATA
          PRETRAINED is the workdir of configs/paper/jft_pretrain.py, DATA as for the baseline.
Result:   top-1 79.2, top-5 94.7 on the validation images, single crop; the baseline: 77.5, 93.9.
Hardware: 50 NVIDIA K80, asynchronous (as recalled, unverified).
Time:     not stated. 4M steps of 32 images are 100 epochs.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
"""

from ml_collections import ConfigDict

from configs.paper import imagenet_baseline


def get_config() -> ConfigDict:
    """The baseline's recipe at a tenth of its learning rate, 4 million steps."""
    config = imagenet_baseline.get_config()
    config.schedule.learning_rate = 1e-3  # as recalled, unverified: lowered from the baseline's
    config.train.duration = "4000000 steps"  # as recalled, unverified
    return config
