"""A study's grid: which runs a study config means, in what order, and how they are dealt to shards.

A study config has these fields:
  title         str, what the report is called
  base          a full experiment config (configs/default.py lists its fields); base.modes says what
                differs when pretraining and in each transfer mode, the transfer data set among it
  grid          data_fraction: parts of the training records that are pretrained on, each in (0, 1]
                seeds: whole numbers; every run is made once for each
                transfer_modes: how each backbone is transferred
                scratch: whether each transfer mode is also run from random weights, for comparison
  metric        a figure of the transfer runs: "top_1"
  metric_type   "accuracy" (the higher the better) or "error" (a loss or error: the lower)
"""

from collections.abc import Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.scaling.curves import METRICS
from revisit.training import modes

FIELDS = ("title", "base", "grid", "metric", "metric_type")
GRID_FIELDS = ("data_fraction", "seeds", "transfer_modes", "scratch")
PRETRAIN = "pretrain"


class Run(NamedTuple):
    """One run of the grid.

    Attributes:
      name: readable and unique; the run's directory.
      mode: key of training.modes.MODES.
      seed: of weights and order.
      data_fraction: of the pretraining data behind the backbone; None from random weights.
      init: name of the run whose backbone is the start, "random", or "" for pretraining.
    """

    name: str
    mode: str
    seed: int
    data_fraction: float | None
    init: str


def check_study(config: ConfigDict) -> None:
    """Raises UserError where a study config lacks a field or holds a value that means nothing."""
    for field in FIELDS:
        if field not in config:
            raise UserError(f"not a study's config: no field {field!r} (needs {', '.join(FIELDS)})")
    for field in GRID_FIELDS:
        if field not in config.grid:
            raise UserError(f"config.grid has no field {field!r} ({', '.join(GRID_FIELDS)})")
    _check_values(config.grid)
    if config.metric_type not in METRICS:
        raise UserError(f"config.metric_type={config.metric_type!r} is not {' or '.join(METRICS)}")


def _check_values(grid: ConfigDict) -> None:
    for field in ("data_fraction", "seeds", "transfer_modes"):
        values = list(grid[field])
        if not values or len(set(values)) != len(values):
            raise UserError(f"config.grid.{field}={values} must hold values, each of them once")
    for fraction in grid.data_fraction:
        if not 0 < fraction <= 1:
            raise UserError(f"config.grid.data_fraction holds {fraction}: a part is in (0, 1]")
    for seed in grid.seeds:
        if not isinstance(seed, int) or seed < 0:
            raise UserError(f"config.grid.seeds holds {seed!r}: a seed is a whole number from 0")
    transfers = [name for name, mode in modes.MODES.items() if mode.needs_init]
    for mode in grid.transfer_modes:
        if mode not in transfers:
            raise UserError(
                f"config.grid.transfer_modes holds {mode!r}: choose of {', '.join(transfers)}"
            )


def _transfers(grid: ConfigDict, seed: int, fraction: float | None, init: str) -> list[Run]:
    start = init.removeprefix(f"{PRETRAIN}-") if fraction else f"{modes.RANDOM}-seed{seed}"
    return [
        Run(f"{mode}-{start}", mode, seed, fraction, init or modes.RANDOM)
        for mode in grid.transfer_modes
    ]


def make_groups(grid: ConfigDict) -> list[list[Run]]:
    """Runs that belong together, each after the one that it starts from.

    A group is a pretraining run and its transfers, or one seed's transfers from random weights.
    """
    groups = []
    for seed in grid.seeds:
        if grid.scratch:
            groups.append(_transfers(grid, seed, None, ""))
        for fraction in sorted(grid.data_fraction):
            name = f"{PRETRAIN}-fraction{fraction:.4g}-seed{seed}"
            pretrain = Run(name, PRETRAIN, seed, fraction, "")
            groups.append([pretrain, *_transfers(grid, seed, fraction, name)])
    names = [run.name for group in groups for run in group]
    if len(set(names)) != len(names):
        raise UserError(f"config.grid.data_fraction={list(grid.data_fraction)}: two are too alike")
    return groups


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/8" -> (2, 8): the third of eight shards, counted from 0 as job arrays do."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise UserError(f"--shard={text}: write i/n with 0 <= i < n, as 0/4 to 3/4")
    return int(index), int(count)


def deal(groups: Sequence[Sequence[Run]], index: int, count: int) -> list[Run]:
    """Runs of one shard of `count`; each run is in exactly one."""
    return [run for group in groups[index::count] for run in group]


def run_config(base: ConfigDict, run: Run) -> ConfigDict:
    """The config of one run: the base, what its mode lays over it, and its place in the grid."""
    overrides: dict[str, float] = {"seed": run.seed}
    if run.mode == PRETRAIN and run.data_fraction is not None:
        overrides["data.fraction"] = run.data_fraction
    return modes.resolve(base, run.mode, overrides)


def pick(runs: Sequence[Run], name: str) -> list[Run]:
    """The one run of that name."""
    found = [run for run in runs if run.name == name]
    if not found:
        raise UserError(f"--run={name}: no such run in the grid, as {runs[0].name}")
    return found
