r"""The paper's pretraining of ResNet-101 on JFT-300M: 300 million images, 18,291 noisy classes.

Command:  python -m revisit.train --config=configs/paper/jft_pretrain.py --mode=pretrain \
              --workdir=DIR --config.data.dir=DATA
Data:     JFT-300M was never released: DATA is your own large set, as data_prep.build writes it. The
          paper's smaller sets are --config.data.fraction=0.0333 (10M), 0.1 (30M), 0.333 (100M),
          with --config.train.duration="4 epochs".
Result:   top-1 79.2, top-5 94.7 on ImageNet after configs/paper/imagenet_finetune.py.
Hardware: 50 NVIDIA K80, asynchronous; with 17 parameter servers (as recalled, unverified).
Time:     about 2 months for 4 epochs, 36M steps of 32 images: some 222 images/s in all.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
The number of classes, 18,291 there, is that of the data set's own taxonomy.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """ResNet-101 with 18,291 sigmoid outputs in 50 parts, four epochs of JFT-300M."""
    config = default.get_config()
    config.model.depth = 101  # the capacity study also has 50 and 152
    config.model.width = 64

    config.task.loss = "sigmoid"  # as recalled, unverified
    config.task.absent = "negative"  # as recalled, unverified
    config.data.resize = 340  # as recalled, unverified
    config.data.crop = 299
    config.data.flip = True  # as recalled, unverified: the only other augmentation

    config.optimizer.name = "rmsprop"  # as recalled, unverified
    config.optimizer.momentum = 0.9  # as recalled, unverified
    config.optimizer.decay = 0.9  # not recalled: ResNet-101 on Open Images, a sister recipe
    config.optimizer.epsilon = 1.0  # not recalled: the same sister recipe
    config.optimizer.initial_accumulator = 1.0  # TensorFlow 1, which the paper's time had
    config.optimizer.weight_decay = 1e-4  # as recalled, unverified

    config.schedule.name = "staircase"  # as recalled, unverified
    config.schedule.learning_rate = 1e-3  # as recalled, unverified
    config.schedule.decay_factor = 0.9  # as recalled, unverified
    config.schedule.decay_every = "3000000 steps"  # as recalled, unverified

    config.train.batch_size = 32  # as recalled, unverified: of one asynchronous worker's step
    config.train.duration = "36000000 steps"  # as recalled, unverified; "4 epochs" is not
    # These three are ours: an epoch of 300M images takes two weeks.
    config.train.log_every = "1000 steps"
    config.train.save_every = "100000 steps"
    config.train.eval_every = "500000 steps"
    return config
