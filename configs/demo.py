"""The demo: a small ResNet on the embedded microworld, in minutes on two cores.

    python -m data_prep.build --source=microworld --num_images=18000 --out=demo/data/pretrain
    python -m data_prep.build --source=microworld --world=transfer --num_images=4000 \
        --out=demo/data/transfer
    python -m revisit.train --config=configs/demo.py --mode=pretrain --workdir=demo/pretrain
    python -m revisit.train --config=configs/demo.py --mode=linear_probe --init=demo/pretrain \
        --workdir=demo/probe

`make demo` runs it for three sizes and two seeds by configs/study/demo.py.
"""

from ml_collections import ConfigDict

from configs import default


def _transfer(duration: str, learning_rate: float) -> dict:
    """One label an image, of 50 classes that pretraining never saw; 16 images of each."""
    return {
        "task": {"loss": "softmax"},
        "data": {"dir": "demo/data/transfer", "fraction": 0.25},
        "schedule": {"learning_rate": learning_rate},
        "train": {"duration": duration, "eval_every": "0 steps", "save_every": "0 steps"},
    }


def get_config() -> ConfigDict:
    """Four epochs of pretraining whatever the data's size, as in the paper; then new classes."""
    config = default.get_config()
    config.data.update({"dir": "demo/data/pretrain", "resize": 64, "crop": 56})
    config.model.update({"depth": 8, "width": 32, "stem": "patch4"})
    config.optimizer.update({"name": "nesterov", "momentum": 0.9, "weight_decay": 1e-4})
    config.schedule.update({"name": "cosine", "learning_rate": 0.1, "warmup": "5 percent"})
    config.train.update(
        {
            "batch_size": 64,
            "eval_batch_size": 250,
            "duration": "4 epochs",
            "eval_every": "0 steps",
            "save_every": "0 steps",
        }
    )
    config.modes.linear_probe = _transfer("30 epochs", 0.3)
    config.modes.finetune = _transfer("25 epochs", 0.05)
    return config
