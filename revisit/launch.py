"""Trains on a cluster of processes on this machine: to try a strategy out, and for tests.

    python -m revisit.launch --workers=2 -- --config=configs/demo.py --workdir=DIR
    python -m revisit.launch --workers=2 --ps=2 -- --config=configs/demo.py --workdir=DIR

What follows the -- are flags of revisit.train. Without --ps the workers train in step
(--strategy=multi_worker), with it each at its own pace (--strategy=parameter_server). The exit
status is that of the worst process.
"""

import sys
from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.training.launcher import launch

_WORKERS = flags.DEFINE_integer("workers", 2, "Processes that train.")
_PS = flags.DEFINE_integer("ps", 0, "Parameter servers.")


def main(argv: Sequence[str]) -> None:
    """Starts the processes and passes their output on."""
    strategy = "parameter_server" if _PS.value else "multi_worker"
    command = [sys.executable, "-m", "revisit.train", f"--strategy={strategy}", *argv[1:]]
    sys.exit(launch(command, _WORKERS.value, _PS.value))


if __name__ == "__main__":
    cli.run(main, takes_arguments=True)
