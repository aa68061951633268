"""Trains: pretraining, a linear probe of frozen features, or fine-tuning.

    python -m revisit.train --config=configs/demo.py --mode=pretrain --workdir=DIR
    python -m revisit.train --config=configs/demo.py --mode=linear_probe --init=DIR --workdir=DIR2

A run that was stopped goes on when the same command is given again.
"""

from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError

# Names alone, so that --help does not wait for TensorFlow; training.modes and training.strategies
# have the tables.
MODE_NAMES = ("pretrain", "linear_probe", "finetune")
STRATEGY_NAMES = ("one_device", "mirrored", "multi_worker", "tpu", "parameter_server")

_CONFIG = cli.define_config("The experiment: a Python file with get_config(), as in configs/.")
_MODE = flags.DEFINE_enum("mode", "pretrain", MODE_NAMES, "What is trained, and from what.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where the run's checkpoints and logs lie.")
_INIT = flags.DEFINE_string(
    "init",
    None,
    "Start from the backbone of this run (its workdir), checkpoint, or file of another library "
    "(.safetensors, .keras); 'random': untrained.",
)
_STRATEGY = flags.DEFINE_enum("strategy", "one_device", STRATEGY_NAMES, "Where the steps run.")


def main(argv: Sequence[str]) -> None:
    """Trains, or goes on training."""
    config, overrides = cli.read_config(_CONFIG)
    if not _WORKDIR.value:
        raise UserError(
            "--workdir is missing: name a directory for the run, as --workdir=runs/first"
        )

    cli.import_tensorflow()
    from revisit.training import modes
    from revisit.training.loop import train
    from revisit.training.strategies import make_strategy

    modes.check_init(_MODE.value, _INIT.value)
    resolved = modes.resolve(config, _MODE.value, overrides)
    train(resolved, _MODE.value, _WORKDIR.value, _INIT.value, make_strategy(_STRATEGY.value))


if __name__ == "__main__":
    cli.run(main)
