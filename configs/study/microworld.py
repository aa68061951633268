"""Every ablation of the paper on the microworld, at a size that may have conclusions.

    python -m data_prep.build --source=microworld --num_images=18000 --out=microworld/data/pretrain
    python -m data_prep.build --source=microworld --world=transfer --num_images=4000 \\
        --out=microworld/data/transfer
    python -m data_prep.build --source=microworld --num_images=18000 --copies=0.3 \\
        --out=microworld/data/copies
    python -m data_prep.build --source=microworld --num_images=6000 --seed=1 \\
        --out=microworld/data/clean
    python -m revisit.train --config=configs/demo.py --mode=pretrain --workdir=microworld/clean \\
        --config.data.dir=microworld/data/clean --config.task.labels=truth
    python -m revisit.study --config=configs/study/microworld.py --workdir=microworld/study

36 pretraining runs x 2 seeds, each probed with frozen features and fine-tuned, beside the same from
random weights: 236 runs, planned for about 2.5 hours on 2 cores (an hour of pretraining, 50 minutes
of transfer, 9 s of starting a run). microworld/clean is a small, clean set of other images: what
ImageNet is beside JFT-300M. In microworld/data/copies 3 images in 10 show an earlier one again.
configs/study/microworld_gpu.py is the same grid for a GPU.
"""

from ml_collections import ConfigDict

from configs import demo
from configs.study import common

SIZES = (1 / 81, 1 / 27, 1 / 9, 1 / 3, 1.0)
ABLATIONS = (
    {"train.duration": ("1 epochs", "2 epochs", "4 epochs", "8 epochs")},
    {"data.classes": ("50", "150", "")},
    {"data.noise_wrong": (0.0, 0.2, 0.4, 0.6)},
    {"data.noise_missing": (0.0, 0.3, 0.6)},
    {
        "data.dir": ("microworld/data/copies",),
        "data.drop_duplicates": ("none", "evaluation", "all"),
    },
    {"start": ("random", "microworld/clean")},
)


def get_config() -> ConfigDict:
    """Sizes by depths, sizes at equal steps, widths, and the ablations one by one."""
    base = demo.get_config()
    base.data.dir = "microworld/data/pretrain"
    base.modes.linear_probe.data.dir = "microworld/data/transfer"
    base.modes.finetune.data.dir = "microworld/data/transfer"
    return common.make_config(
        title="Microworld: what is more data worth, and what else?",
        base=base,
        sweeps=(
            {"model.depth": (8, 10, 18), "data.fraction": SIZES},
            # As many images seen for every size: is it more data, or longer training?
            {"data.fraction": SIZES, "train.duration": ("68000 examples",)},
            {"model.width": (16, 32, 64)},
            *ABLATIONS,
        ),
        costs={"image": 0.01, "clean_label": 0.05, "gpu_hour": 2.0, "budget": 500.0},
        target=0.8,
    )
