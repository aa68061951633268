r"""The paper's transfer to human pose: G-RMI on COCO's keypoints, from the JFT-300M backbone.

Command:  python -m data_prep.build --source=coco --images=coco --out=DATA \
              --manifest='coco/annotations/person_keypoints_{train,val}2017.json'
          python -m revisit.train --config=configs/paper/coco_pose.py --mode=finetune \
              --init=PRETRAINED --workdir=DIR --config.data.dir=DATA
          PRETRAINED is the workdir of configs/paper/jft_pretrain.py. An image without people
          teaches nothing here: --config.data.images_of=1 keeps those of the commonest class, which
          in this file is the person. --config.task.pose.boxes=FILE.json takes a detector's boxes in
          evaluation, as the paper does (then over all images); else the true ones are taken.
Result:   keypoint AP 64.8, AP@.5 85.8 on test-dev (from ImageNet alone: 62.4, 84.0), with the boxes
          of the paper's own detector (as recalled, unverified).
Hardware: 8 GPUs of 3 crops (G-RMI's, as recalled, unverified).
Time:     not stated. 450,000 steps of 24 crops.

"As recalled, unverified" marks what was written from memory of the paper, without its text at hand.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """ResNet-101 at output stride 8; the crop, disks and weights are the defaults of task.pose."""
    config = default.get_config()
    config.task.name = "pose"
    config.data.update({"train_split": "train", "eval_split": "validation"})
    config.model.output_stride = 8
    config.optimizer.update({"name": "sgd", "momentum": 0.9, "average": "polyak"})
    config.optimizer.average_decay = 0.9999  # not stated
    config.schedule.update(
        {
            "name": "staircase",
            "learning_rate": 0.005,  # as recalled, unverified: G-RMI's; the paper chose it anew
            "decay_factor": 0.1,  # as recalled, unverified, as the next
            "decay_every": "250000 steps",
        }
    )
    config.train.update(
        {
            "batch_size": 24,  # as recalled, unverified: G-RMI's
            "eval_batch_size": 8,  # images, each with as many crops as the set's largest group
            "duration": "450000 steps",  # as recalled, unverified
            "eval_every": "25000 steps",
            "save_every": "5000 steps",
            "keep_best": "map",
        }
    )
    return config
