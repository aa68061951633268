r"""The paper's detection on PASCAL VOC 2007: Faster R-CNN, ResNet-101 from the JFT-300M checkpoint.

Command:  python -m revisit.train --config=configs/paper/voc_detect.py --mode=finetune \
              --init=PRETRAINED --workdir=DIR --config.data.dir=DATA
          PRETRAINED is the workdir of configs/paper/jft_pretrain.py.
Data:     DATA is VOC07+12 as data_prep.build --source=voc writes it: 2007 and 2012 trainval, 16,551
          images, as the split "train", 2007 test, 4,952 images, as "test".
Result:   voc07_map_50 81.4 on 2007 test; ImageNet alone: 76.3 (as recalled, unverified).
Hardware: 9 asynchronous GPU workers, an image each (as recalled, unverified).
Time:     not stated. 700k steps of one image are 42 epochs.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
"""

from ml_collections import ConfigDict

from configs.paper import coco_detect


def get_config() -> ConfigDict:
    """COCO's Faster R-CNN on VOC's trainval and test, with a shorter schedule."""
    config = coco_detect.get_config()
    config.data.eval_split = "test"
    config.schedule.learning_rate = 3e-4  # as recalled, unverified
    config.schedule.decay_every = "500000 steps"  # as recalled, unverified
    config.train.duration = "700000 steps"  # as recalled, unverified
    config.train.eval_every = "50000 steps"
    config.train.keep_best = "voc07_map_50"
    # The paper's schedule for frozen features is not remembered: ours is that of fine-tuning.
    config.modes.linear_probe = {}
    return config
