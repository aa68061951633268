r"""The paper's detection on COCO: Faster R-CNN, ResNet-101 from the JFT-300M checkpoint.

Command:  python -m revisit.train --config=configs/paper/coco_detect.py --mode=finetune \
              --init=PRETRAINED --workdir=DIR --config.data.dir=DATA
          PRETRAINED is the workdir of configs/paper/jft_pretrain.py; --mode=linear_probe keeps the
          backbone as it is.
Data:     DATA is COCO (instances_train and instances_val) as data_prep.build --source=coco writes
          it. The paper holds 8,000 images of val out and trains on the others, 115,287 of the 2014
          release (as recalled, unverified).
Result:   mAP@[.5,.95] 37.4 on test-dev, mAP@.5 58.0, for the checkpoint that was trained on
          ImageNet and then on JFT-300M; mAP@[.5,.95] 34.3 for ImageNet alone.
Hardware: 9 asynchronous GPU workers, an image each (as recalled, unverified).
Time:     not stated. 3M steps of one image are 26 epochs.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """Faster R-CNN at a short side of 600 pixels, one image a step, every layer trained."""
    config = default.get_config()
    config.task.name = "detect"
    config.task.detect.short_side = 600  # as recalled, unverified (with less certainty)
    config.task.detect.long_side = 1024  # as recalled, unverified (with less certainty)
    # Not recalled: TensorFlow's detectors of that time.
    config.task.detect.anchor_sizes = (64, 128, 256, 512)
    config.task.detect.anchor_ratios = (0.5, 1.0, 2.0)
    config.task.detect.rpn_samples = 64  # as recalled, unverified
    config.task.detect.box_samples = 256  # as recalled, unverified
    config.task.detect.proposals = 300  # as recalled, unverified
    config.task.detect.box_crop = 14  # not recalled: TensorFlow's detectors of that time
    config.data.flip = True  # as recalled, unverified: the only augmentation
    config.model.depth = 101
    config.model.output_stride = 32  # of conv5, on the crops; 16 of conv4
    config.model.freeze_batch_norm = True  # not recalled: one image has no statistics

    config.optimizer.name = "sgd"  # as recalled, unverified
    config.optimizer.momentum = 0.9  # as recalled, unverified
    config.optimizer.weight_decay = 1e-4  # not recalled: as in pretraining
    config.schedule.name = "staircase"
    config.schedule.learning_rate = 4e-4  # as recalled, unverified
    config.schedule.decay_factor = 0.1  # as recalled, unverified
    config.schedule.decay_every = "2500000 steps"  # as recalled, unverified
    config.train.batch_size = 1  # as recalled, unverified: of one asynchronous worker's step
    config.train.eval_batch_size = 8  # ours: what one GPU holds
    config.train.duration = "3000000 steps"  # as recalled, unverified
    config.train.log_every = "1000 steps"
    config.train.save_every = "20000 steps"
    config.train.eval_every = "100000 steps"
    config.train.keep_best = "map"

    # Frozen features: a shorter schedule. The paper freezes conv1 to conv4; here conv5 too.
    config.modes.linear_probe = {
        "schedule": {"decay_every": "900000 steps"},  # as recalled, unverified
        "train": {"duration": "1500000 steps"},  # as recalled, unverified
    }
    return config
