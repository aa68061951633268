r"""The paper's segmentation of PASCAL VOC 2012: DeepLab-ASPP-L, ResNet-101 from JFT-300M.

Command:  python -m revisit.train --config=configs/paper/voc_segment.py --mode=finetune \
              --init=PRETRAINED --workdir=DIR --config.data.dir=DATA
          PRETRAINED is the workdir of configs/paper/jft_pretrain.py.
Data:     DATA is VOC 2012 as data_prep.build --source=voc writes it, with the masks that Hariharan
          et al. (2011) added to the training images: ImageSets/Segmentation/train.txt lists
          their "trainaug", 10,582 images, and val.txt VOC's own, 1,449 images, which become the
          split "validation".
Result:   miou 75.3 on validation; ImageNet alone 73.6, JFT-300M started from it 76.5 (as recalled,
          unverified).
Hardware: not stated.
Time:     not stated. 30k steps of 10 images are 28 epochs.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
"With little certainty" marks what may well be another work's.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """DeepLab-ASPP-L at output stride 8, crops of 513 pixels and the poly schedule."""
    config = default.get_config()
    config.task.name = "segment"
    config.data.flip = True  # as recalled, unverified
    # 500 pixels is the longer side of VOC's images: they are taken as they are.
    config.task.segment.side = 500
    config.task.segment.scales = (0.5, 1.5)  # not recalled: DeepLab-v2's
    config.task.segment.crop = 513  # as recalled, unverified (with little certainty)
    config.task.segment.eval_scales = (1.0,)  # as recalled, unverified: a single size

    config.model.depth = 101
    config.model.output_stride = 8  # as recalled, unverified (with little certainty)

    config.optimizer.name = "sgd"  # as recalled, unverified (with little certainty)
    config.optimizer.momentum = 0.9  # as recalled, unverified (with little certainty)
    config.optimizer.weight_decay = 3e-4  # as recalled, unverified (with little certainty)

    config.schedule.name = "poly"  # as recalled, unverified (with little certainty)
    config.schedule.power = 0.9  # as recalled, unverified (with little certainty)
    config.schedule.learning_rate = 3e-3  # as recalled, unverified (with little certainty)

    config.train.batch_size = 10  # not recalled: DeepLab-v2's
    config.train.duration = "30000 steps"  # as recalled, unverified (with little certainty)
    # These are ours.
    config.train.eval_batch_size = 16
    config.train.eval_every = "3000 steps"
    config.train.save_every = "1000 steps"
    config.train.keep_best = "miou"
    return config
