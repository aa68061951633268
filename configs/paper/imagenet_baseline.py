r"""The paper's baseline: ResNet-101 trained from scratch on ImageNet (ILSVRC-2012), 1.28M images.

Command:  python -m revisit.train --config=configs/paper/imagenet_baseline.py --mode=pretrain \
              --workdir=DIR --config.data.dir=DATA
Data:     DATA is ILSVRC-2012 from image-net.org (on request), as data_prep.build writes it.
Result:   top-1 77.5, top-5 93.9 on the validation images, single crop.
Hardware: 50 NVIDIA K80, asynchronous (as recalled, unverified).
Time:     not stated. 5M steps of 32 images are 125 epochs.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """ResNet-101 at 299 pixels by softmax, 5 million steps of 32 images."""
    config = default.get_config()
    config.model.depth = 101
    config.task.loss = "softmax"  # exactly one class an image
    config.data.resize = 340  # as recalled, unverified
    config.data.crop = 299
    config.data.flip = True  # as recalled, unverified

    config.optimizer.name = "sgd"  # as recalled, unverified
    config.optimizer.momentum = 0.9  # as recalled, unverified
    config.optimizer.weight_decay = 1e-4  # as recalled, unverified

    config.schedule.name = "staircase"  # as recalled, unverified
    config.schedule.learning_rate = 1e-2  # as recalled, unverified (with less certainty)
    config.schedule.decay_every = "400000 steps"  # as recalled, unverified (with little certainty)
    # Not recalled, ours: twelve such drops end at 2e-5, a usual last rate; 0.1 would end at 1e-14.
    config.schedule.decay_factor = 0.6

    config.train.batch_size = 32  # as recalled, unverified: of one asynchronous worker's step
    config.train.duration = "5000000 steps"  # as recalled, unverified
    return config
