"""A study from its grid to its report."""

from collections.abc import Sequence

from ml_collections import ConfigDict

from revisit.scaling import grid, report, results, runs
from revisit.scaling.grid import Run
from revisit.scaling.runs import Engine


def run_study(
    config: ConfigDict, chosen: Sequence[Run], workdir: str, engine: Engine
) -> str | None:
    """Makes the chosen runs of a study's grid, and reports if then the whole grid is there.

    Args:
      config: of the study; grid.check_study has passed it.
      chosen: runs of its grid that this process makes.
      workdir: of the study.
      engine: what makes a run.

    Returns:
      The report's path; None while runs are missing.

    Raises:
      UserError: the directory holds another study, or a run can't start.
      Interrupted: a signal came; finished runs are kept.
    """
    everything = grid.deal(grid.make_groups(config.grid), 0, 1)
    runs.claim(workdir, config)
    for _ in runs.make_runs(chosen, config, workdir, engine):
        results.write_results(workdir, runs.finished(everything, workdir))
    finished = runs.finished(everything, workdir)
    results.write_results(workdir, finished)
    if len(finished) < len(everything):
        print(f"study: {len(finished)} of all {len(everything)} runs are finished: no report yet")
        return None
    study = report.analyse(config, finished)
    path = report.write_report(study, workdir)
    print(f"\n{report.terminal_table(study)}\n")
    return path
