"""The demo: a small ResNet on the embedded microworld, in minutes on two cores.

    python -m data_prep.build --source=microworld --num_images=27000 --out=demo/data/pretrain
    python -m data_prep.build --source=microworld --world=transfer --num_images=4000 \
        --out=demo/data/transfer
    python -m revisit.train --config=configs/demo.py --mode=pretrain --workdir=demo/pretrain
    python -m revisit.train --config=configs/demo.py --mode=linear_probe --init=demo/pretrain \
        --workdir=demo/probe

`make demo` runs it for three sizes and two seeds by configs/study/demo.py, which says what to expect.
"""

from ml_collections import ConfigDict

from configs import default


def _transfer(duration: str, learning_rate: float) -> dict:
    """One label an image, of classes that pretraining never saw."""
    return {
        "task": {"loss": "softmax"},
        "data": {"dir": "demo/data/transfer"},
        "schedule": {"learning_rate": learning_rate},
        "train": {"duration": duration, "eval_every": "0 steps", "save_every": "0 steps"},
    }


def get_config() -> ConfigDict:
    """Pretraining for the same number of steps whatever the data's size; then 50 new classes."""
    config = default.get_config()
    config.data.update({"dir": "demo/data/pretrain", "resize": 64, "crop": 56})
    config.model.update({"depth": 8, "width": 32, "stem": "patch4"})
    config.optimizer.update({"name": "nesterov", "momentum": 0.9, "weight_decay": 1e-4})
    config.schedule.update({"name": "cosine", "learning_rate": 0.1, "warmup": "5 percent"})
    config.train.update(
        {
            "batch_size": 64,
            "eval_batch_size": 250,
            "duration": "27000 examples",
            "eval_every": "0 steps",
            "save_every": "0 steps",
        }
    )
    config.modes.linear_probe = _transfer("15 epochs", 0.3)
    config.modes.finetune = _transfer("15 epochs", 0.05)
    return config
