"""Runs a study, a grid of trainings, and answers how far more data will take a model.

    python -m revisit.study --config=configs/study/demo.py --workdir=DIR

Finished runs are kept: the same command goes on where it was stopped. --shard=i/n does one part of
n over a shared directory (job arrays), --print_commands lists one command a run instead of running.
When all runs of the grid are there, results.csv (revisit/scaling/results.py says what is in it),
fit.json, branches.csv, the figures as PNG and SVG, and report.html lie in DIR. --config.base.x.y=v
changes the experiment; what base.modes sets for a mode wins over it. --results=FILE only reports a
table: made by hand, or of an interrupted study.

Small nets don't fill several cores: on one machine, n parts with a core each (`taskset -c i` before
the command, --shard=i/n) make more runs an hour than one process with all (1.5 times on 2 cores).

Runs share what they can: one data set on disk, each backbone for all its transfers, and, under a
constant or staircase schedule, the steps of a shorter run as the beginning of a longer one. With
config.base.probe.name "sgd_on_features" or "ridge" they share frozen features too; else every epoch
of a probe crops and flips its images anew.
"""

import os
import shlex
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict, config_flags

from revisit import cli
from revisit.errors import UserError

_CONFIG = cli.define_config("The study: a Python file with get_config(), as in configs/study/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where runs, results and report lie.")
_SHARD = flags.DEFINE_string("shard", "0/1", "i/n: the part of the grid to run, i from 0 to n-1.")
_RUN = flags.DEFINE_string("run", "", "Name of a single run of the grid to do.")
_RESULTS = flags.DEFINE_string("results", "", "A results.csv to report, instead of running.")
_PRINT_COMMANDS = flags.DEFINE_bool("print_commands", False, "Print one command a run, run none.")


def _command(run: str, overrides: Sequence[str]) -> str:
    path = config_flags.get_config_filename(flags.FLAGS["config"])
    parts = [f"--config={path}", f"--workdir={_WORKDIR.value}", f"--run={run}", *overrides]
    return f"python -m revisit.study {shlex.join(parts)}"


def _count_examples(config: ConfigDict) -> int:
    from revisit.data.input import train_shards
    from revisit.data.records import count_examples, read_dataset
    from revisit.data.views import view

    dataset = view(read_dataset(config.data.dir), config.data)
    shards = train_shards(dataset, config.data.train_split, config.data.fraction)
    return count_examples(shards)


def main(argv: Sequence[str]) -> None:
    """Does the runs that the flags name, then reports if the grid is complete."""
    config, overrides = cli.read_config(_CONFIG)
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: name a directory for the study, as --workdir=study")

    from revisit.scaling import grid

    grid.check_study(config)
    if _RESULTS.value:
        cli.import_tensorflow()
        from revisit.scaling.study import report_results

        print(os.path.abspath(report_results(config, _RESULTS.value, _WORKDIR.value)))
        return
    groups = grid.make_groups(config)
    chosen = grid.deal(groups, *grid.parse_shard(_SHARD.value))
    if _RUN.value:
        chosen = grid.pick(grid.deal(groups, 0, 1), _RUN.value)
    if _PRINT_COMMANDS.value:
        given = [f"--config.{field}={value}" for field, value in overrides.items()]
        print("\n".join(_command(run.name, given) for run in chosen))
        return

    cli.import_tensorflow()
    from revisit.scaling.runs import Engine, Study
    from revisit.scaling.study import run_study
    from revisit.training.loop import train

    engine = Engine(train, _count_examples)
    path = run_study(Study(config, _WORKDIR.value, engine), chosen)
    if path:
        print(os.path.abspath(path))


if __name__ == "__main__":
    cli.run(main)
