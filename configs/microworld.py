"""The microworld at a size that takes hours, not minutes: 100,000 images, a deeper net, longer.

    python -m data_prep.build --source=microworld --num_images=105000 --out=data/microworld
    python -m data_prep.build --source=microworld --world=transfer --num_images=5000 \
        --out=data/microworld_transfer
    python -m revisit.train --config=configs/microworld.py --mode=pretrain --workdir=runs/microworld
    python -m revisit.train --config=configs/microworld.py --mode=finetune \
        --init=runs/microworld --workdir=runs/microworld_finetune

Expected: no figures yet for this size; configs/demo.py has the small one. Hardware: 2 cores, about
an hour of pretraining at 600 images/s.
"""

from ml_collections import ConfigDict

from configs import default


def _transfer(learning_rate: float) -> dict:
    return {
        "task": {"loss": "softmax"},
        "data": {"dir": "data/microworld_transfer"},
        "schedule": {"learning_rate": learning_rate},
        "train": {"duration": "20 epochs", "keep_best": "top_1"},
    }


def get_config() -> ConfigDict:
    """ResNet-10 of width 32, 20 epochs of 100,000 noisy multi-label images."""
    config = default.get_config()
    config.data.update({"dir": "data/microworld", "resize": 64, "crop": 56})
    config.model.update({"depth": 10, "width": 32, "stem": "conv3_pool"})
    config.optimizer.update({"name": "nesterov"})
    config.schedule.update({"name": "cosine", "learning_rate": 0.1, "warmup": "2 percent"})
    config.train.update(
        {
            "batch_size": 64,
            "eval_batch_size": 250,
            "duration": "20 epochs",
            "eval_every": "5 epochs",
            "keep_best": "truth_map_macro",
        }
    )
    config.modes.linear_probe = _transfer(0.3)
    config.modes.finetune = _transfer(0.05)
    return config
