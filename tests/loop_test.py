"""revisit.training.loop: exact runs, starts, frozen backbones, and what is written."""

import csv
import os
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from revisit.errors import Interrupted, UserError
from revisit.training import loop, modes, scoring
from revisit.training.checkpoint import find_checkpoint
from revisit.training.model import load_model
from revisit.training.scoring import score
from revisit.training.strategies import make_strategy
from tests.cluster_runs import Command, write_config


def _values(workdir: pathlib.Path, step: int | None = None) -> dict[str, np.ndarray]:
    prefix = find_checkpoint(str(workdir))
    reader = tf.train.load_checkpoint(prefix if step is None else f"{prefix[:-1]}{step}")
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


def _assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    differing = [name for name in one if not np.array_equal(one[name], other[name])]
    assert not differing


def _backbone(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    weights = {name: value for name, value in values.items() if name.startswith("backbone/")}
    return {name: value for name, value in weights.items() if "OPTIMIZER_SLOT" not in name}


def _train(config: Any, mode: str, workdir: pathlib.Path, **arguments: Any) -> dict[str, float]:
    return loop.train(modes.resolve(config, mode), mode, str(workdir), **arguments)


@pytest.fixture(scope="module")
def pretrained(
    tiny_data: dict[str, pathlib.Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[pathlib.Path, dict[str, float]]:
    workdir = tmp_path_factory.mktemp("pretrained") / "run"
    from configs import default

    config = default.get_config()
    config.data.update({"dir": str(tiny_data["multi"]), "resize": 32, "crop": 28})
    config.model.update({"depth": 10, "width": 8, "stem": "patch4"})
    config.optimizer.name = "sgd"
    config.schedule.update({"name": "cosine", "learning_rate": 0.05})
    config.train.update({"batch_size": 32, "eval_batch_size": 16, "duration": "2 epochs"})
    config.train.log_every = "1 steps"
    return workdir, _train(config, "pretrain", workdir)


def test_the_same_seed_gives_the_same_bits(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    figures = _train(tiny_config(), "pretrain", tmp_path / "again")
    assert figures == pretrained[1]
    _assert_same(_values(tmp_path / "again"), _values(pretrained[0]))
    other = tiny_config()
    other.seed = 1
    assert _train(other, "pretrain", tmp_path / "other") != figures


def test_a_stopped_run_goes_on_to_the_same_bits(
    pretrained: tuple[pathlib.Path, dict],
    tiny_config: Callable,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_step, calls = loop.make_train_step, []

    def stopping(*arguments: Any) -> Callable:
        step = make_step(*arguments)

        def stop_in_the_second(batch: Any, stopped: tf.Tensor) -> tf.Tensor:
            calls.append(batch)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(batch, stopped)

        return stop_in_the_second

    monkeypatch.setattr(loop, "make_train_step", stopping)
    with pytest.raises(Interrupted, match="saved at step 2; the same command goes on from there"):
        _train(tiny_config(), "pretrain", tmp_path)
    figures = _train(tiny_config(), "pretrain", tmp_path)
    assert len(calls) == 6
    assert figures == pretrained[1]
    _assert_same(_values(tmp_path), _values(pretrained[0]))


def test_a_signal_after_the_last_step_is_for_who_handled_signals_before(
    tiny_config: Callable, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, told = loop.evaluate_split, []

    def evaluate_and_stop(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*arguments)

    monkeypatch.setattr(loop, "evaluate_split", evaluate_and_stop)
    before = signal.signal(signal.SIGTERM, lambda signum, frame: told.append(signum))
    config = tiny_config()
    config.train.duration = "2 steps"
    try:
        figures = _train(config, "pretrain", tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]
    assert _train(config, "pretrain", tmp_path) == figures  # the run is whole


def test_a_step_that_is_done_again_for_a_lost_worker_counts_once(
    tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    def bind(step: Callable) -> Callable:
        def step_twice(batch: Any, stopped: tf.Tensor) -> tf.Tensor:
            step(batch, stopped)
            return step(batch, stopped)

        return step_twice

    config = tiny_config()
    config.train.duration = "2 steps"
    strategy = make_strategy("one_device")._replace(bind=bind)
    _train(config, "pretrain", tmp_path, strategy=strategy)
    assert _values(tmp_path)["optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE"] == 2


def test_several_steps_a_call_end_with_the_same_weights(
    pretrained: tuple[pathlib.Path, dict],
    tiny_config: Callable,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    several_steps, counts = loop.several_steps, []

    def counted(step: Any, has_clock: bool) -> Callable:
        call = several_steps(step, has_clock)

        def count(batches: Any, number: tf.Tensor, stopped: tf.Tensor) -> tf.Tensor:
            counts.append(int(number))
            return call(batches, number, stopped)

        return count

    monkeypatch.setattr(loop, "several_steps", counted)
    config = tiny_config()
    config.train.update({"steps_per_call": 2, "log_every": "6 steps"})
    figures = _train(config, "pretrain", tmp_path)
    assert counts == [2, 1, 2, 1]  # evaluated after 3 steps and after 6
    assert figures == pytest.approx(pretrained[1], rel=1e-4)
    for name, values in _values(tmp_path).items():
        np.testing.assert_allclose(values, _values(pretrained[0])[name], rtol=1e-3, atol=1e-5)
    shares = [row for row in _rows(tmp_path) if row["name"] == "input_wait_share"]
    assert np.isnan(float(shares[0]["value"]))  # op determinism forbids to look at the clock


def test_several_steps_a_call_know_how_long_they_waited(
    tiny_data: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    train = {"duration": "6", "log_every": "3 steps", "eval_every": "0 steps"}
    config = write_config(tmp_path / "tiny.py", tiny_data["multi"], **train)
    flags = ["--config.train.deterministic=False", "--config.train.steps_per_call=3"]
    # Another process, since determinism, which forbids to look at the clock, is never switched off.
    run = Command(tmp_path, "revisit.train", f"--config={config}", "--workdir=run", *flags)
    assert run.wait() == 0, run.output
    figures = [row for row in _rows(tmp_path / "run") if row["split"] == "train"]
    shares = [float(row["value"]) for row in figures if row["name"] == "input_wait_share"]
    assert len(shares) == 2
    assert all(0.0 < share < 1.0 for share in shares)
    assert all(np.isfinite(float(row["value"])) for row in figures)


def test_a_finished_run_is_only_read(
    pretrained: tuple[pathlib.Path, dict],
    tiny_config: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(loop, "make_state", lambda *_: pytest.fail("it was trained again"))
    assert _train(tiny_config(), "pretrain", pretrained[0]) == pretrained[1]
    assert ": has done all 6 steps: loss " in capsys.readouterr().out


def _rows(workdir: pathlib.Path) -> list[dict[str, str]]:
    with open(workdir / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_csv_is_one_tidy_table(pretrained: tuple[pathlib.Path, dict]) -> None:
    rows = _rows(pretrained[0])
    assert list(rows[0]) == ["step", "split", "name", "value"]
    keys = [(row["step"], row["split"], row["name"]) for row in rows]
    assert len(keys) == len(set(keys))
    losses = [row["step"] for row in rows if row["split"] == "train" and row["name"] == "loss"]
    assert losses == ["1", "2", "3", "4", "5", "6"]
    assert {row["step"] for row in rows if row["split"] == "validation"} == {"3", "6"}
    final = {row["name"]: float(row["value"]) for row in rows[-len(pretrained[1]) :]}
    assert final == pretrained[1]
    assert final["num_examples"] == 40
    for name in ("config.json", "taxonomy.json", "log.txt", "per_class.csv", "tensorboard"):
        assert (pretrained[0] / name).exists()


def test_a_linear_probe_leaves_the_backbone_as_it_was(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config("single")
    figures = _train(config, "linear_probe", tmp_path, init=str(pretrained[0]))
    _assert_same(_backbone(_values(tmp_path)), _backbone(_values(pretrained[0])))
    assert set(figures) == {"loss", "top_1", "top_5", "num_examples"}
    trained = [n for n in _values(tmp_path) if "OPTIMIZER_SLOT" in n]
    assert trained
    assert all(name.startswith("head/") for name in trained)


def test_finetuning_starts_from_the_backbone_and_moves_it(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config("single")
    config.schedule.learning_rate = 0.0  # batch norm's statistics move all the same
    _train(config, "finetune", tmp_path / "still", init=str(pretrained[0]))
    before, after = _backbone(_values(pretrained[0])), _backbone(_values(tmp_path / "still"))
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved
    assert all("moving_" in name for name in moved)
    config.schedule.learning_rate = 0.1
    _train(config, "finetune", tmp_path / "moved", init=str(pretrained[0]))
    after = _backbone(_values(tmp_path / "moved"))
    assert all(not np.array_equal(before[n], after[n]) for n in before if "kernel" in n)


def test_a_backbone_of_another_shape_is_refused_and_nothing_is_claimed(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config("single")
    config.model.width = 4
    with pytest.raises(UserError, match=r"fits 0 of 60 backbone variables \(.* is .* in it and"):
        _train(config, "finetune", tmp_path, init=str(pretrained[0]))
    assert not (tmp_path / "config.json").exists()


def test_a_backbone_that_pools_elsewhere_is_refused_though_its_weights_fit(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config()
    config.model.stem = "conv3"
    config.train.duration = "1 steps"
    _train(config, "pretrain", tmp_path / "conv3")
    config.model.stem = "conv3_pool"
    with pytest.raises(
        UserError, match="weights of another network: add --config.model.stem=conv3"
    ):
        _train(config, "finetune", tmp_path / "finetune", init=str(tmp_path / "conv3"))


def test_a_workdir_of_another_experiment_is_refused(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable
) -> None:
    config = tiny_config()
    config.train.duration = "5 epochs"
    with pytest.raises(
        UserError, match="holds another experiment: train.duration is '2 epochs' there and '5 ep"
    ):
        _train(config, "pretrain", pretrained[0])


def test_scoring_again_gives_the_figures_of_training(
    pretrained: tuple[pathlib.Path, dict], tiny_data: dict[str, pathlib.Path]
) -> None:
    report = score(str(pretrained[0]), "last", None, None)
    assert report["figures"] == pytest.approx(pretrained[1], rel=1e-6)
    assert score(str(pretrained[0]), "last", None, "train")["figures"]["num_examples"] == 96
    with pytest.raises(UserError, match="the data's taxonomy .* is not the one that .* was traine"):
        score(str(pretrained[0]), "last", str(tiny_data["single"]), None)


def test_images_in_training_are_left_out_of_further_figures(
    pretrained: tuple[pathlib.Path, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [f"{number}.jpg" for number in range(96, 101)]  # of the 40 that validate
    others = [f"{number}.jpg" for number in range(101, 136)]
    figures = {}
    for name, ids in (("known", known), ("others", others)):
        monkeypatch.setattr(scoring, "ids_in_training", lambda *_, ids=ids: ids)
        figures[name] = score(str(pretrained[0]), "last", None, None)["figures"]
    assert figures["known"]["not_in_training_num_examples"] == 35
    assert figures["others"]["not_in_training_num_examples"] == 5
    losses = {name: each["not_in_training_loss"] for name, each in figures.items()}
    assert losses["known"] != losses["others"]
    whole = (35 * losses["known"] + 5 * losses["others"]) / 40
    assert figures["known"]["loss"] == pytest.approx(whole, rel=1e-5)


def test_a_loaded_model_says_what_was_loaded(pretrained: tuple[pathlib.Path, dict]) -> None:
    loaded = load_model(str(pretrained[0]))
    assert loaded.step == 6
    assert "60 of 60 backbone variables" in loaded.loaded
    assert "2 of 2 head variables" in loaded.loaded
    with pytest.raises(UserError, match="holds no best checkpoint"):
        load_model(str(pretrained[0]), "best")


def test_the_best_checkpoint_is_that_of_the_metric(
    tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config()
    config.train.update({"keep_best": "loss", "eval_every": "2 steps", "save_every": "2 steps"})
    _train(config, "pretrain", tmp_path)
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
    losses = {int(row["step"]): float(row["value"]) for row in rows if row["name"] == "loss"}
    assert load_model(str(tmp_path), "best").step == max(losses, key=losses.__getitem__)
    config.train.keep_best = "acuracy"
    with pytest.raises(UserError, match="keep_best='acuracy' is not a metric: loss, map_macro"):
        _train(config, "pretrain", tmp_path / "other")
    assert not (tmp_path / "other").exists()  # before anything is trained


def test_averaged_weights_are_what_is_scored_and_loaded(
    tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config()
    config.optimizer.update({"average": "polyak", "average_decay": 0.5})
    try:
        figures = _train(config, "pretrain", tmp_path)
    except UserError as error:
        pytest.skip(str(error))
    assert score(str(tmp_path), "last", None, None)["figures"] == pytest.approx(figures, rel=1e-5)
    values = _values(tmp_path)
    kernel = "head/classifier.Skernel/.ATTRIBUTES/VARIABLE_VALUE"
    averaged = "averages/head.Sclassifier.Skernel/.ATTRIBUTES/VARIABLE_VALUE"
    assert not np.array_equal(values[kernel], values[averaged])
    loaded = load_model(str(tmp_path)).head.get_layer("classifier").kernel
    assert np.array_equal(loaded.numpy(), values[averaged])


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing(
    tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config()
    config.schedule.learning_rate = 1e30
    with pytest.raises(UserError, match=r"the loss is (nan|inf) between steps \d+ and \d+: lower"):
        _train(config, "pretrain", tmp_path)
    assert not list((tmp_path / "checkpoints").glob("ckpt-*"))


def test_weights_that_are_not_finite_stop_the_run_and_are_not_saved(
    tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config()
    config.schedule.learning_rate = 1e39
    config.train.duration = "1 steps"
    with pytest.raises(UserError, match="weights are not finite after step 1: lower config.sched"):
        _train(config, "pretrain", tmp_path)
    assert not list((tmp_path / "checkpoints").glob("ckpt-*"))


def test_a_compiled_step_learns_the_same(
    pretrained: tuple[pathlib.Path, dict], tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = tiny_config()
    config.train.jit_compile = True
    figures = _train(config, "pretrain", tmp_path)
    assert figures["loss"] == pytest.approx(pretrained[1]["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data.dir", "", "config.data.dir is not set"),
        ("data.dir", "nowhere", "no data set at 'nowhere': build it with"),
        ("data.eval_split", "test", "has no split 'test'"),
        ("task.loss", "softmax", "needs exactly one label an image"),
        ("task.loss", "hinge", "config.task.loss='hinge' is not one of"),
        ("task.name", "detct", "config.task.name='detct' is not one of"),
        ("task.labels", "truth", "holds no truth"),
        ("data.crop", 99, "config.data.crop=99 is not between 1 and config.data.resize=32"),
        ("data.augment", "blur", "config.data.augment='blur' is not one of none, color_jitter"),
        ("train.batch_size", 0, "config.train.batch_size=0: give at least 1"),
        ("train.duration", "5 eposch", 'not a duration: "5 eposch"'),
        ("train.duration", "0 epochs", "config.train.duration='0 epochs': give at least 1 step"),
        ("seed", -1, "config.seed=-1 is not between 0 and 4294967295"),
        ("optimizer.momentum", 2.0, "config.optimizer does not fit sgd: `momentum` must be"),
        ("schedule.learning_rate", -0.1, "config.schedule.learning_rate=-0.1 is below 0"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    tiny_config: Callable, tmp_path: pathlib.Path, field: str, value: object, message: str
) -> None:
    config = tiny_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError) as raised:
        _train(config, "pretrain", tmp_path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())  # the directory is free for the mended command


def test_a_workdir_that_is_a_file_is_one_clear_line(tiny_config, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match=r"--workdir=.*run can't be written to: File exists"):
        _train(tiny_config(), "pretrain", tmp_path / "run")


def test_softmax_with_some_classes_needs_only_images_that_show_them(tiny_config, tmp_path):
    config = tiny_config("single")
    config.data.classes = "4"
    with pytest.raises(UserError, match="config.data.classes='4' leaves images without a label"):
        _train(config, "pretrain", tmp_path)
