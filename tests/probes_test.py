"""revisit.training.probes and .features: features that are kept, and what is fitted to them."""

import csv
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from revisit.errors import UserError
from revisit.training import features, loop, modes, probes
from revisit.training.scoring import score
from revisit.training.strategies import make_strategy


def _train(config: Any, workdir: pathlib.Path, init: str) -> dict[str, float]:
    return loop.train(modes.resolve(config, "linear_probe"), "linear_probe", str(workdir), init)


@pytest.fixture
def probe_config(tiny_config: Callable) -> Callable:
    """A config whose network is that of `finished_run`."""

    def make(data: str, name: str) -> Any:
        config = tiny_config(data)
        config.model.stem = "conv7"
        config.probe.update({"name": name, "shots": ()})
        return config

    return make


def _log(workdir: pathlib.Path) -> str:
    return (workdir / "log.txt").read_text()


def test_steps_on_kept_features_are_those_on_the_images_they_are_of(
    finished_run: pathlib.Path, probe_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = probe_config("multi", "sgd")
    config.data.update({"resize": 28, "crop": 28, "flip": False})  # fresh crops are then central
    on_images = _train(config, tmp_path / "images", str(finished_run))
    config.probe.name = "sgd_on_features"
    on_features = _train(config, tmp_path / "features", str(finished_run))
    assert on_features == pytest.approx(on_images, rel=1e-4)
    assert "features, 136 of them new" in _log(tmp_path / "features")
    scored = score(str(tmp_path / "features"), "last", None, None)["figures"]
    assert scored == pytest.approx(on_features, rel=1e-4)


def test_other_rates_seeds_and_subsets_find_the_features(
    finished_run: pathlib.Path, probe_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = probe_config("single", "sgd_on_features")
    _train(config, tmp_path / "first", str(finished_run))
    config.seed, config.schedule.learning_rate, config.data.fraction = 1, 0.5, 0.4
    _train(config, tmp_path / "second", str(finished_run))
    assert "features, 0 of them new" in _log(tmp_path / "second")
    config.data.crop = 24
    _train(config, tmp_path / "third", str(finished_run))
    assert "features, 104 of them new" in _log(tmp_path / "third")  # of the shards that are used


def test_a_damaged_file_is_made_anew(
    finished_run: pathlib.Path,
    probe_config: Callable,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = probe_config("single", "ridge")
    figures = _train(config, tmp_path / "first", str(finished_run))
    files = sorted((tmp_path / "features").iterdir())
    assert len(files) == 4
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:100])
    assert _train(config, tmp_path / "second", str(finished_run)) == figures
    assert caplog.text.count("are damaged and computed anew") == 2
    assert sorted((tmp_path / "features").iterdir()) == files  # none is left of those under way


def test_ridge_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    columns = generator.normal(3.0, [0.1, 1.0, 4.0, 2.0], (50, 4)).astype(np.float32)
    labels = np.stack([generator.permutation(5)[:3] for _ in range(50)])
    labels[generator.random(labels.shape) < 0.3] = -1
    targets = np.array([[1.0 if each in row else -1.0 for each in range(5)] for row in labels])
    for penalty in (0.0, 0.5, 100.0):
        ours = probes.solve_ridge(columns, labels, 5, penalty)
        theirs = Ridge(alpha=penalty * columns.var(axis=0).mean()).fit(columns, targets)
        np.testing.assert_allclose(ours.kernel, theirs.coef_.T, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(ours.bias, theirs.intercept_, rtol=1e-4, atol=1e-5)


def test_ridge_runs_as_any_run(
    finished_run: pathlib.Path, probe_config: Callable, tmp_path: pathlib.Path
) -> None:
    config = probe_config("multi", "ridge")
    config.probe.update({"shots": (3, 200), "draws": 4, "features_dir": str(tmp_path / "kept")})
    config.task.head_parts = 3
    figures = _train(config, tmp_path / "run", str(finished_run))
    scored = score(str(tmp_path / "run"), "last", None, None)["figures"]
    assert {name: figures[name] for name in scored} == pytest.approx(scored, rel=1e-4)
    low, mean, high = (figures[f"3_shot_map_macro{end}"] for end in ("_low", "", "_high"))
    assert low < mean < high
    assert figures["200_shot_map_macro"] == pytest.approx(figures["map_macro"], rel=1e-4)
    assert "200 images a class (10 classes have fewer images)" in _log(tmp_path / "run")
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert (rows["map_macro"]["split"], rows["map_macro"]["step"]) == ("validation", "3")
    assert float(rows["3_shot_map_macro"]["value"]) == mean
    assert _train(config, tmp_path / "run", str(finished_run)) == figures
    assert len(list((tmp_path / "kept").iterdir())) == 4
    assert not (tmp_path / features.FOLDER).exists()


def test_ridge_is_the_same_on_replicas(
    finished_run: pathlib.Path, probe_config: Callable, tmp_path: pathlib.Path
) -> None:
    config, init = probe_config("multi", "ridge"), str(finished_run)
    resolved = modes.resolve(config, "linear_probe")
    on_replicas, alone = (
        loop.train(resolved, "linear_probe", str(tmp_path / name), init, make_strategy(name))
        for name in ("mirrored", "one_device")
    )
    assert on_replicas == pytest.approx(alone, rel=1e-5)


def test_few_shots_are_drawn_for_each_class() -> None:
    labels = np.array([[0, 1], [0, -1], [0, -1], [1, -1], [2, -1], [-1, -1]])
    drawn = {tuple(probes.choose_rows(labels, 1, (0, seed))) for seed in range(100)}
    assert drawn == {(0, 4), (0, 1, 4), (0, 2, 4), (0, 3, 4), (1, 3, 4), (2, 3, 4)}
    np.testing.assert_array_equal(probes.choose_rows(labels, 9, (0,)), [0, 1, 2, 3, 4])


def test_the_interval_is_students() -> None:
    half = 4.303 / 3**0.5  # t's quantile for 2 degrees of freedom, by the standard error of 1, 2, 3
    assert probes.mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - half, 2 + half), 1e-3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("probe.name", "lasso", "config.probe.name='lasso' is not one of ['ridge', 'sgd', "),
        ("probe.draws", 1, "config.probe.draws=1: an interval needs at least 2"),
        ("task.absent", "unknown", "takes what is not labelled for absent: use 'sgd_on_features'"),
        ("task.name", "detect", "is for config.task.name='classify', whose head sees pooled"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    tiny_config: Callable, field: str, value: Any, message: str
) -> None:
    config = tiny_config()
    config.probe.name = "ridge"
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError) as raised:
        probes.make_probe(config)
    assert message in str(raised.value)
