"""A study from its grid to its report."""

from collections.abc import Sequence

from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.scaling import analysis, answers, grid, report, results, runs
from revisit.scaling.grid import Run
from revisit.scaling.results import Result
from revisit.scaling.runs import Study


def run_study(study: Study, chosen: Sequence[Run]) -> str | None:
    """Makes the chosen runs of a study's grid, and reports if then the whole grid is there.

    Args:
      study: its config, which grid.check_study has passed; its directory; what makes a run.
      chosen: runs of its grid that this process makes.

    Returns:
      The report's path; None while runs are missing.

    Raises:
      UserError: the directory holds another study, or a run can't start.
      Interrupted: a signal came; finished runs are kept.
    """
    everything = grid.deal(grid.make_groups(study.config), 0, 1)
    runs.claim(study.workdir, study.config)
    for _ in runs.make_runs(chosen, study):
        results.write_results(study.workdir, runs.finished(everything, study.workdir))
    finished = runs.finished(everything, study.workdir)
    results.write_results(study.workdir, finished)
    if len(finished) < len(everything):
        print(f"study: {len(finished)} of all {len(everything)} runs are finished: no report yet")
        return None
    return _report(study.config, finished, study.workdir)


def report_results(config: ConfigDict, path: str, workdir: str) -> str:
    """Reports a results.csv, made by hand or by a study, whole or interrupted.

    Args:
      config: of the study; says which transfers and metrics the table holds, and what is asked.
      path: of the table.
      workdir: where the report is written.

    Raises:
      UserError: the table can't be read, or holds nothing of the study.
    """
    found, num_repeats = results.read_results(path)
    if num_repeats:
        print(f"study: {num_repeats} rows of {path} repeat another row: counted once")
    wanted = {run.name for run in grid.deal(grid.make_groups(config), 0, 1)}
    missing = wanted - {result.run.name for result in found}
    if missing and missing != wanted:  # a table made by hand names its runs otherwise
        print(f"study: {path} lacks {len(missing)} runs of the grid, as {min(missing)}")
    names = [transfer.name for transfer in grid.transfers_of(config)]
    absent = [name for name in names if name not in {result.run.transfer for result in found}]
    if absent:
        raise UserError(f"--results={path} has no run of transfer {absent[0]!r} yet")
    return _report(config, found, workdir)


def _report(config: ConfigDict, finished: Sequence[Result], workdir: str) -> str:
    found = analysis.analyse(config, finished, workdir)
    path = report.write_report(found, workdir)
    print(f"\n{answers.terminal_table(found)}\n")
    return path
