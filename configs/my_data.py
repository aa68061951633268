"""Your own images: copy this file, and change what is marked.

    python -m data_prep.build --source=manifest --manifest=labels.csv --images=photos \
        --taxonomy=classes.csv --out=data/mine
    python -m data_prep.inspect --data=data/mine
    python -m revisit.train --config=configs/my_data.py --mode=pretrain --workdir=runs/mine
    python -m revisit.train --config=configs/my_data.py --mode=linear_probe --init=runs/mine \
        --workdir=runs/mine_probe

`labels.csv` has the columns path and labels (several with ; between them); `classes.csv` has the
columns child and parent, and may be left out. The probe's own data set (data/task) is built the
same way, with one label an image. Hardware: sized for one GPU; for a CPU take configs/demo.py's
model.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """ResNet-50 at 224 pixels; every line below is yours to change."""
    config = default.get_config()
    config.data.update({"dir": "data/mine", "resize": 256, "crop": 224})
    config.model.depth = 50
    config.optimizer.update({"name": "nesterov"})
    # 0.1 for each 256 images of the batch (Goyal et al. 2017)
    config.schedule.update({"name": "cosine", "learning_rate": 0.1 * 128 / 256})
    config.schedule.warmup = "5 percent"
    config.train.update({"batch_size": 128, "duration": "30 epochs", "keep_best": "map_macro"})
    task = {"task": {"loss": "softmax"}, "data": {"dir": "data/task"}}
    config.modes.linear_probe = {
        **task,
        "schedule": {"learning_rate": 0.1},
        "train": {"duration": "20 epochs", "keep_best": "top_1"},
    }
    config.modes.finetune = {
        **task,
        "schedule": {"learning_rate": 0.01},
        "train": {"duration": "20 epochs", "keep_best": "top_1"},
    }
    return config
