"""python -m revisit.train and revisit.evaluate as their users run them: real processes."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def _command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"revisit.{module}", *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def _run(directory: pathlib.Path, module: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        _command(module, *arguments),
        cwd=directory,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def config_file(tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]) -> pathlib.Path:
    path = tmp_path / "tiny.py"
    path.write_text(f"""
from configs import default

def get_config():
    config = default.get_config()
    config.data.update({{"dir": {str(tiny_data["multi"])!r}, "resize": 32, "crop": 28}})
    config.model.update({{"depth": 8, "width": 8, "stem": "patch4"}})
    config.optimizer.name = "sgd"
    config.schedule.update({{"name": "constant", "learning_rate": 0.05}})
    config.train.update({{"duration": "4 epochs", "log_every": "1 steps", "save_every": "2 steps"}})
    single = {{"task": {{"loss": "softmax"}}, "data": {{"dir": {str(tiny_data["single"])!r}}}}}
    config.modes.linear_probe = single
    return config
""")
    return path


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--workdir=w"], 1, "error: --config is missing: name a file"),
        (["--config=none.py", "--workdir=w"], 1, "error: --config=none.py: no such file"),
        (["--config=tiny.py"], 1, "error: --workdir is missing"),
        (["--config=tiny.py", "--workdir=w", "--config.trian.x=3"], 1, "error: --config has no s"),
        (
            ["--config=tiny.py", "--config.seed=x"],
            1,
            "error: --config.seed=x: not a whole number\n",
        ),
        (["--config=tiny.py", "--config.schedule.learning_rate=x"], 1, "rate=x: not a number\n"),
        (["--config=tiny.py", "--config.data.flip=x"], 1, "flip=x: neither true nor false\n"),
        (["--config=tiny.py", "--workdir=w", "--mode=linear_probe"], 1, "needs --init"),
        (["--config=tiny.py", "--workdir=w", "--mode=probe"], 2, "should be one of <pretrain|"),
        (["--config=tiny.py", "--workdir=w", "--mode=finetune", "x"], 2, "'x' is no --flag, nor"),
        (["--config=tiny.py", "--workdir=w", "--nothing"], 2, "Unknown command line flag"),
        (["--config=.", "--workdir=w"], 1, "error: --config=.: no such file"),
        (["--config=empty.py", "--workdir=w"], 1, "empty.py defines no get_config()"),
        (["--config=bad.py", "--workdir=w"], 1, "bad.py, line 1, fails: ModuleNotFoundError"),
        (["--config=typed.py", "--workdir=w"], 1, "typed.py, line 4, fails: TypeError: Could not"),
        (["--config=locked.py"], 1, 'locked. Did you mean "seed" instead of "sead"?\n'),
    ],
)
def test_a_users_mistake_is_one_line_and_its_status(
    config_file: pathlib.Path,
    tmp_path: pathlib.Path,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    (tmp_path / "bad.py").write_text("import not_there\n")
    (tmp_path / "empty.py").write_text("")
    for name, line in (
        ("typed", "config.train.update({'log_every': 5})"),
        ("locked", "config.sead = 1"),
    ):
        start = (
            "from configs import default\ndef get_config():\n    config = default.get_config()\n"
        )
        (tmp_path / f"{name}.py").write_text(f"{start}    {line}\n")
    result = _run(tmp_path, "train", *arguments)
    assert result.returncode == status, result.stderr
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "w").exists()


def test_a_file_that_can_not_be_written_is_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "points.csv").write_text("n,error\n1,0.5\n10,0.4\n100,0.3\n")
    (tmp_path / "file").write_text("")
    points = ["--csv=points.csv", "--x=n", "--y=error"]
    result = _run(tmp_path, "fit", *points, "--out=file/fit.json")
    assert result.returncode == 1
    assert result.stderr.endswith("can't be used: File exists\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("door", ["train", "study"])
def test_help_lists_the_config_and_is_no_mistake(tmp_path: pathlib.Path, door: str) -> None:
    result = _run(tmp_path, door, "--help")
    assert result.returncode == 0, result.stderr
    assert "--config:" in result.stdout


def test_training_probing_and_scoring_from_the_command_line(
    config_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    short = ["--config=tiny.py", "--config.train.duration=2"]
    pretrained = _run(tmp_path, "train", *short, "--workdir=run")
    assert pretrained.returncode == 0, pretrained.stderr
    assert pretrained.stderr == ""
    assert "step 2/2" in pretrained.stdout
    probe = ["--mode=linear_probe", "--init=run", "--workdir=probe"]
    probed = _run(tmp_path, "train", *short, *probe)
    assert probed.returncode == 0, probed.stderr
    assert "starts from 45 of 45 backbone variables" in probed.stdout
    assert "top_1" in probed.stdout
    scored = _run(tmp_path, "evaluate", "--workdir=run", "--out=scores/run.json")
    assert scored.returncode == 0, scored.stderr
    assert scored.stdout.startswith("run/checkpoints/ckpt-2 on the split validation of /")
    assert "map_macro" in scored.stdout
    report = json.loads((tmp_path / "scores" / "run.json").read_text())
    assert report["figures"]["num_examples"] == 40
    rows = report["tables"]["per_class.csv"]
    assert {type(row["num_positives"]) for row in rows} == {int}


def test_sigterm_saves_and_the_same_command_goes_on(
    config_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    command = _command("train", "--config=tiny.py", "--workdir=run", "--config.train.duration=4000")
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "run" / "log.txt"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not (log.exists() and "step 3/" in log.read_text()):
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 75, stderr
    assert stderr.startswith("stopped: saved at step ")
    step = stderr.removeprefix("stopped: saved at step ").split(";")[0].replace(",", "")
    assert (tmp_path / "run" / "checkpoints" / f"ckpt-{step}.index").exists()
