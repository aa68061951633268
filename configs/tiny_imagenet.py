"""Real photographs on a small machine: Tiny ImageNet, 64 pixels, WordNet ancestors as labels.

Pretraining has 150 classes and every ancestor that WordNet gives them; transfer has the other 50,
50 images of each to learn from and 100 to be scored by. Get the images and WordNet from their
public homes and write the manifests as data_prep/examples/tiny_imagenet.py says, then:

    python -m data_prep.build --manifest=manifests/pretrain.csv --images=tiny-imagenet-200 \
        --taxonomy=manifests/pretrain_classes.csv --out=data/tiny
    python -m data_prep.build --manifest=manifests/transfer.csv --images=tiny-imagenet-200 \
        --taxonomy=manifests/transfer_classes.csv --out=data/tiny_transfer
    python -m revisit.train --config=configs/tiny_imagenet.py --mode=pretrain --workdir=runs/tiny
    python -m revisit.train --config=configs/tiny_imagenet.py --mode=linear_probe \
        --init=runs/tiny --workdir=runs/tiny_probe
    python -m revisit.train --config=configs/tiny_imagenet.py --mode=finetune --init=runs/tiny \
        --workdir=runs/tiny_finetune
    python -m revisit.train --config=configs/tiny_imagenet.py --mode=finetune --init=random \
        --workdir=runs/tiny_scratch

Hardware: 2 cores, minutes. docs/tiny_imagenet.md has the figures of one run.
"""

from ml_collections import ConfigDict

from configs import default


def _transfer(duration: str, learning_rate: float) -> dict:
    return {
        "task": {"loss": "softmax"},
        "data": {"dir": "data/tiny_transfer"},
        "schedule": {"learning_rate": learning_rate},
        "train": {"duration": duration, "eval_every": "0 steps"},
    }


def get_config() -> ConfigDict:
    """A three-stage net of width 32, two epochs of 60,000 to 75,000 photographs."""
    config = default.get_config()
    config.data.update({"dir": "data/tiny", "resize": 64, "crop": 56})
    config.model.update({"depth": 8, "width": 32, "stem": "patch4"})
    config.optimizer.update({"name": "nesterov"})
    config.schedule.update({"name": "cosine", "learning_rate": 0.1, "warmup": "5 percent"})
    config.train.update(
        {
            "batch_size": 64,
            "eval_batch_size": 250,
            "duration": "2 epochs",
            "eval_every": "0 steps",
        }
    )
    config.modes.linear_probe = _transfer("15 epochs", 0.3)
    config.modes.finetune = _transfer("15 epochs", 0.05)
    return config
