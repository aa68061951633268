"""Training in a process that keeps the memory it frees, as commands do, against one that does not.

    python -m benchmarks.freed_memory

The demo's pretraining in processes of their own, in turns: images/s once the first steps are done,
and the peak of the process's memory.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

from benchmarks import table
from benchmarks.train_step import NUM_IMAGES, build_microworld
from configs import demo
from revisit.training.logs import read_metrics

REPEATS = 3
STEPS = 100
# What `python -m revisit.train` does, and before it what leaves its process as it is.
AS_COMMAND = "from revisit import cli, train; cli.run(train.main)"
WITHOUT = "from revisit import allocator; allocator.keep_freed_memory = lambda: None; " + AS_COMMAND
PEAK = "import atexit, resource as r; atexit.register(lambda: print(r.getrusage(0).ru_maxrss)); "


class Figures(NamedTuple):
    """images_per_second, and megabytes at the peak."""

    images_per_second: float
    megabytes: float


def _train(program: str, data: str, workdir: str) -> Figures:
    flags = [
        f"--config={demo.__file__}",
        "--mode=pretrain",
        f"--workdir={workdir}",
        f"--config.data.dir={data}",
        f"--config.train.duration={2 * STEPS} steps",
        f"--config.train.log_every={STEPS} steps",
    ]
    command = [sys.executable, "-c", PEAK + program, *flags]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    rate = read_metrics(workdir, "train", 2 * STEPS)["images_per_second"]
    return Figures(rate, float(told.split()[-1]) / 1024)


def main() -> None:
    """Prints a row for the speed and one for the memory."""
    found: dict[str, list[Figures]] = {AS_COMMAND: [], WITHOUT: []}
    with tempfile.TemporaryDirectory() as directory:
        data = os.path.join(directory, "data")
        build_microworld(data, NUM_IMAGES)
        for repeat in range(REPEATS):
            for index, (program, figures) in enumerate(found.items()):
                workdir = os.path.join(directory, f"run{repeat}-{index}")
                figures.append(_train(program, data, workdir))
    ours, others = (
        Figures(*map(statistics.median, zip(*figures, strict=True))) for figures in found.values()
    )
    table.header("Memory that is kept, against given back")
    table.row(
        "the demo's pretraining",
        f"{ours.images_per_second:,.0f}/s",
        f"{others.images_per_second:,.0f}/s",
        ours.images_per_second / others.images_per_second,
        ">= 1",
    )
    table.row(
        "its peak memory",
        f"{ours.megabytes:,.0f} MB",
        f"{others.megabytes:,.0f} MB",
        ours.megabytes / others.megabytes,
    )


if __name__ == "__main__":
    main()
