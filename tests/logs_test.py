"""revisit.training.logs: what a line in the terminal shows."""

import time
import types

from revisit.training import logs
from revisit.training.logs import shown


def test_the_log_line_of_an_evaluation_shows_the_loss_and_the_first_figures():
    few = {"top_1": 0.5, "loss": 1.25}
    assert shown(few) == "loss 1.25  top_1 0.5"
    many = {**few, **{f"extra_{k}": k for k in range(5)}}
    text = shown(many)
    assert text == "loss 1.25  top_1 0.5  extra_0 0  extra_1 1  extra_2 2  (2 more in metrics.csv)"


def test_the_time_left_is_that_of_steps_alone(tmp_path, capsys, monkeypatch):
    now = iter([300.0, 300.0, 310.0, 330.0])  # the first call took five minutes
    clock = types.SimpleNamespace(monotonic=lambda: next(now), strftime=time.strftime)
    monkeypatch.setattr(logs, "time", clock)
    told = logs.Logs(str(tmp_path), "pretrain", 1100)
    told.start(1000)
    names = ("loss", "learning_rate", "images_per_second", "input_wait_share")
    told.count_from(1001)
    for step in (1001, 1021, 1061):
        told.progress(step, dict.fromkeys(names, 0.5))
        told.count_from(step)
    told.close()
    left = [line.partition("ETA ")[2] for line in capsys.readouterr().out.splitlines()]
    assert left == ["unknown", "0:40", "0:20"]
