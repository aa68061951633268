"""How far will more of your own data take your model? Copy this file, and change what is marked.

Build data/mine and data/task as configs/my_data.py says, then:

    python -m revisit.study --config=configs/study/my_data.py --workdir=mine/study

4 nested sizes of your data, a deeper net, and labels made wrong on purpose; each backbone probed
and fine-tuned on your own task, beside the same from random weights. report.html has the curves,
what a target needs, and what to buy next: 50 runs, those of pretraining as long as
configs/my_data.py says. For a CPU, start small: model.depth 8 or 10, and fewer pixels.
"""

from ml_collections import ConfigDict

from configs import my_data
from configs.study import common


def get_config() -> ConfigDict:
    """Four nested sizes, two depths and three rates of wrong labels: all yours to change."""
    return common.make_config(
        title="My images: how far will more of them take my model?",
        base=my_data.get_config(),
        sweeps=(
            # Every size for as many epochs, as in the paper, so larger ones also train longer. For
            # as many images seen, add {"data.fraction": ..., "train.duration": ("N examples",)}.
            {"data.fraction": (1 / 27, 1 / 9, 1 / 3, 1.0)},
            {"model.depth": (50, 101)},
            {"data.noise_wrong": (0.0, 0.2, 0.4)},
        ),
        # Yours: what an image, a label that somebody has checked, and an hour cost; what you have;
        # the accuracy that you want.
        costs={"image": 0.01, "clean_label": 0.05, "gpu_hour": 2.0, "budget": 1000.0},
        target=0.9,
    )
