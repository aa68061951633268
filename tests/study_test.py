"""A study: restartable, spread over shards, ending in one table and a report."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from revisit.errors import Interrupted, UserError
from revisit.scaling import grid, progress, results, runs
from revisit.scaling.runs import Study
from revisit.scaling.study import run_study
from tests.study_configs import make_study


class FakeEngine:
    """Trains nothing: the accuracy follows a law of the pretraining size; stops when told to."""

    def __init__(self, stop_before=None, signal_in=None):
        self.trained = []
        self.stop_before = stop_before
        self.signal_in = signal_in

    @property
    def engine(self):
        return runs.Engine(self.train, lambda config: round(9000 * config.data.fraction))

    def train(self, config, mode, workdir, init):
        name = os.path.basename(workdir)
        if name == self.stop_before:
            raise Interrupted("saved at step 3")
        if name == self.signal_in:
            with contextlib.suppress(Exception):  # as within a library that goes on after one
                os.kill(os.getpid(), signal.SIGTERM)
        self.trained.append(name)
        os.makedirs(workdir, exist_ok=True)
        fraction = config.data.fraction
        size = 9000 * fraction if mode == "pretrain" else self._size(init)
        with open(os.path.join(workdir, "metrics.csv"), "w") as file:
            file.write("step,split,name,value\n10,train,images_per_second,64\n")
            file.write(
                "10,train,loss,1.5\n20,train,images_per_second,32\n20,validation,top_1,0.5\n"
            )
        with open(os.path.join(workdir, "size"), "w") as file:
            file.write(repr(size))
        worth = 0.9 * max(size, 100) ** -0.1 + 0.004 * (config.seed - 0.5)
        return {"loss": 1.0, "top_1": 1 - worth} if mode != "pretrain" else {"loss": 1.0}

    @staticmethod
    def _size(init):
        if init == "random":
            return 0
        with open(os.path.join(init, "size")) as file:
            return float(file.read())


def _all_runs(config):
    return grid.deal(grid.make_groups(config), 0, 1)


def _read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_study_ends_in_a_table_a_fit_and_a_report(tmp_path, capsys):
    config, fake = make_study(), FakeEngine()
    path = run_study(Study(config, str(tmp_path), fake.engine), _all_runs(config))
    assert path == str(tmp_path / "report.html")
    assert len(fake.trained) == 22
    for name in ("results.csv", "fit.json", "fit.predictions.csv", "curve.png", "curve.svg"):
        assert (tmp_path / name).stat().st_size > 100
    fits = json.loads((tmp_path / "fit.json").read_text())
    assert [fit["group"] for fit in fits] == [["linear_probe", ""], ["finetune", ""]]
    assert fits[0]["laws"]["M1"]["params"]["c"] == pytest.approx(-0.1, abs=0.01)
    output = capsys.readouterr().out
    assert "study: 22 of 22 runs  finetune-fraction1-seed1  top_1 0.6" in output
    assert "ETA 0:00" in output
    assert "Frozen features: gains still grow" in output


def test_time_left_follows_the_steps_of_the_runs():
    made = {run.name: run for run in _all_runs(make_study())}
    transfer, pretrain = made["finetune-random-seed0"], made["pretrain-fraction1-seed0"]
    ahead = progress.Progress(list(made.values()), list(made.values()), dict.fromkeys(made, 10))
    assert ahead.eta() == "?"
    ahead.note(transfer, 50.0)
    assert ahead.eta([pretrain, pretrain]) == "1:40"  # nothing better is known of pretraining
    ahead.note(pretrain, 5.0)
    assert ahead.eta([pretrain, transfer]) == "0:55"
    rows = [line.split() for line in ahead.table().splitlines()]
    assert rows == [
        ["study", "done", "of", "ETA"],
        ["linear_probe", "0", "8", "3:40"],
        ["finetune", "1", "8", "5:50"],
        ["pretrain", "1", "6", "0:25"],
        ["all", "2", "22", "9:55"],
    ]


def test_a_figure_that_is_no_number_is_left_out_and_the_table_reads_back(tmp_path):
    run = next(run for run in _all_runs(make_study()) if run.transfer)
    numbers = dict.fromkeys(results.NUMBERS, 1)
    made = results.Result(run=run, metrics={"map_small": float("nan"), "top_1": 0.5}, **numbers)
    results.write_results(str(tmp_path), [made])
    (read,), _ = results.read_results(str(tmp_path / "results.csv"))
    assert read.metrics == {"top_1": 0.5}


def test_results_hold_each_run_and_figure_once(tmp_path):
    config, fake = make_study(), FakeEngine()
    run_study(Study(config, str(tmp_path), fake.engine), _all_runs(config))
    rows = _read(tmp_path / "results.csv")
    assert {*results.NEEDED, *results.NUMBERS, "data.fraction", "run"} < set(rows[0])
    assert len({(row["run"], row["metric"]) for row in rows}) == len(rows) == 6 + 2 * 16
    row = next(
        r for r in rows if r["run"] == "finetune-fraction0.1-seed1" and r["metric"] == "top_1"
    )
    assert (row["mode"], row["init"]) == ("finetune", "pretrain-fraction0.1-seed1")
    assert (row["data.fraction"], row["num_examples"], row["seed"]) == ("0.1", "900", "1")
    assert (row["train_examples"], row["examples_seen"], row["step"]) == ("9000", "640", "20")
    # 10 steps of 32 at 64 images/s, then 10 at 32 images/s
    assert (row["seconds"], row["images_per_second"]) == ("15.0", "42.7")
    assert float(row["value"]) == pytest.approx(1 - 0.9 * 900**-0.1 - 0.002)
    scratch = next(r for r in rows if r["run"] == "finetune-random-seed0")
    assert (scratch["data.fraction"], scratch["num_examples"]) == ("", "0")


def test_an_interrupted_study_goes_on_and_ends_as_if_it_had_not_been(tmp_path):
    config = make_study()
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_study(Study(config, str(whole), FakeEngine().engine), _all_runs(config))
    stopped = FakeEngine(stop_before="finetune-fraction0.5-seed0")
    with pytest.raises(Interrupted, match="saved at step 3"):
        run_study(Study(config, str(broken), stopped.engine), _all_runs(config))
    assert not (broken / "report.html").exists()
    assert len({row["run"] for row in _read(broken / "results.csv")}) == len(stopped.trained) == 7
    again = FakeEngine()
    run_study(Study(config, str(broken), again.engine), _all_runs(config))
    assert sorted(stopped.trained + again.trained) == sorted(run.name for run in _all_runs(config))
    assert (broken / "results.csv").read_text() == (whole / "results.csv").read_text()
    assert (broken / "report.html").read_text() == (whole / "report.html").read_text()


def test_a_run_that_was_stopped_near_its_end_does_not_make_the_rest_look_short(tmp_path, capsys):
    config = make_study()
    first = _all_runs(config)[0]
    (tmp_path / "runs" / first.name).mkdir(parents=True)  # as one that was begun leaves behind
    run_study(Study(config, str(tmp_path), FakeEngine().engine), _all_runs(config))
    line = next(row for row in capsys.readouterr().out.splitlines() if "study: 1 of 22" in row)
    # Its log has 15 s, of which none passed today; the 21 others have as many steps or fewer.
    minutes, seconds = map(int, re.findall(r"took 0:00  ETA (\d+):(\d+)", line)[0])
    assert 60 < 60 * minutes + seconds <= 21 * 15


def test_a_signal_interrupts_and_signals_are_then_as_before(tmp_path):
    config = make_study()
    before = signal.getsignal(signal.SIGTERM)
    fake = FakeEngine(signal_in="pretrain-fraction0.1-seed0")
    with pytest.raises(Interrupted, match="the same command goes on from there"):
        run_study(Study(config, str(tmp_path), fake.engine), _all_runs(config))
    assert signal.getsignal(signal.SIGTERM) == before
    assert results.load_result(str(tmp_path), "pretrain-fraction0.1-seed0") is None


def test_shards_share_a_directory_and_the_last_one_reports(tmp_path, capsys):
    config = make_study()
    groups = grid.make_groups(config)
    paths = [
        run_study(Study(config, str(tmp_path), FakeEngine().engine), grid.deal(groups, index, 3))
        for index in (2, 0, 1)
    ]
    assert paths == [None, None, str(tmp_path / "report.html")]
    assert "of all 22 runs are finished: no report yet" in capsys.readouterr().out


def test_a_finished_study_is_only_reported_again(tmp_path):
    config, fake = make_study(), FakeEngine()
    run_study(Study(config, str(tmp_path), FakeEngine().engine), _all_runs(config))
    assert run_study(Study(config, str(tmp_path), fake.engine), _all_runs(config))
    assert fake.trained == []


def test_another_study_in_the_directory_is_refused(tmp_path):
    runs.claim(str(tmp_path), make_study())
    runs.claim(str(tmp_path), make_study(seeds=(0,)))  # mended before any run was begun
    (tmp_path / results.RUNS).mkdir()
    with pytest.raises(UserError, match="holds another study: its 'seeds' differs"):
        runs.claim(str(tmp_path), make_study())


def test_a_run_whose_start_is_missing_is_refused(tmp_path):
    config, fake = make_study(), FakeEngine()
    alone = grid.pick(_all_runs(config), "finetune-fraction1-seed0")
    with pytest.raises(UserError, match="starts from pretrain-fraction1-seed0, which isn't"):
        run_study(Study(config, str(tmp_path), fake.engine), alone)


_CONFIG = """
from tests.study_configs import make_study
get_config = make_study
"""


def _study(*arguments):
    command = [sys.executable, "-m", "revisit.study", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_one_command_a_run(tmp_path):
    (tmp_path / "s.py").write_text(_CONFIG)
    done = _study(f"--config={tmp_path}/s.py", "--workdir=W", "--shard=1/4", "--print_commands",
                  "--config.base.train.batch_size=8")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"python -m revisit.study --config={tmp_path}/s.py --workdir=W --run={name}"
        " --config.base.train.batch_size=8"
        for stem in ("fraction0.1-seed0", "fraction0.1-seed1")
        for name in (f"pretrain-{stem}", f"linear_probe-{stem}", f"finetune-{stem}")
    ]


@pytest.mark.parametrize(("arguments", "line"), [
    ([], "--workdir is missing"),
    (["--workdir=W", "--shard=4/4"], "--shard=4/4: write i/n with 0 <= i < n"),
    (["--workdir=W", "--run=x"], "--run=x: no such run in the grid, as linear_probe-random-seed0"),
])  # fmt: skip
def test_wrong_flags_of_the_command_are_one_line(tmp_path, arguments, line):
    (tmp_path / "s.py").write_text(_CONFIG)
    done = _study(f"--config={tmp_path}/s.py", *arguments)
    assert done.returncode == 1
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
