r"""The microworld's people: G-RMI at a size that two cores train in minutes.

Command:  python -m data_prep.build --source=microworld --num_images=24 --out=data/people
          python -m revisit.train --config=configs/microworld_pose.py --mode=pretrain \
              --workdir=runs/people
Result:   keypoint AP 1.0 at step 200 of 400, on the very images it was trained on, which tells that
          targets, losses, votes and figures agree. On eight images of COCO (as
          tests/pose_task_test.py takes them) AP 0.958 at step 200, 0.965 at step 400.
Time:     6 minutes on 2 cores that others used too, at about 12 images/s.
More:     build more images, and set --config.data.eval_split=validation, --config.data.flip=True
          and --config.task.pose.margins='(1.0, 1.5)'.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """A ResNet-10 at output stride 8; half of the paper's crop and disks."""
    config = default.get_config()
    config.task.name = "pose"
    config.task.pose.update({"crop": (177, 129), "radius": 12.0, "margins": (1.25, 1.25)})
    config.data.update({"dir": "data/people", "eval_split": "train", "flip": False})
    config.model.update({"depth": 10, "width": 32, "stem": "conv3_pool", "output_stride": 8})
    config.optimizer.name = "nesterov"
    config.schedule.update({"name": "cosine", "learning_rate": 0.02, "warmup": "20 steps"})
    config.train.update(
        {
            "batch_size": 8,
            "eval_batch_size": 8,
            "duration": "400 steps",
            "log_every": "20 steps",
            "eval_every": "200 steps",
            "save_every": "200 steps",
        }
    )
    return config
