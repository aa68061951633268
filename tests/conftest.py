"""What several tests share."""

import multiprocessing.util
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from revisit.allocator import keep_freed_memory

keep_freed_memory()  # as every command does

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What libraries leave behind, above all those of processes that a test kills, goes with the
    tests."""
    tmp_path_factory.getbasetemp()  # of which pytest keeps the last ones: not inside ours
    multiprocessing.util.get_temp_dir()  # which it removes itself, later
    with tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True) as directory:
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        yield


@pytest.fixture
def shared_data() -> Callable[..., pathlib.Path]:
    """shared_data("folder", "file"): real data beside the checkout; skips the test if missing."""

    def find(*parts: str) -> pathlib.Path:
        path = REPOSITORY.parent.joinpath("shared", "data", *parts)
        if not path.exists():
            pytest.skip(f"needs real data that is not part of the project: {path.name}")
        return path

    return find


NUM_TINY_TRAIN, NUM_TINY_VALIDATION = 96, 40


def _draw_rectangles(classes: list[int], generator: np.random.Generator) -> np.ndarray:
    """[32, 32, 3] uint8: noise, and for each class a rectangle of its own place and colour."""
    image = generator.integers(0, 60, (32, 32, 3))
    for each in classes:
        row, column = divmod(each, 4)
        image[row * 16 : row * 16 + 12, column * 8 : column * 8 + 6, each % 3] += 150
    return image.astype(np.uint8)


def _write_tiny_manifest(directory: pathlib.Path, labels_an_image: int) -> None:
    from PIL import Image

    generator = np.random.default_rng(0)
    lines = ["path,labels,split"]
    for index in range(NUM_TINY_TRAIN + NUM_TINY_VALIDATION):
        classes = sorted(generator.choice(8, generator.integers(labels_an_image) + 1, False))
        path = directory / f"{index}.jpg"
        Image.fromarray(_draw_rectangles(classes, generator)).save(path)
        split = "train" if index < NUM_TINY_TRAIN else "validation"
        lines.append(f"{path.name},{';'.join(f'c{each}' for each in classes)},{split}")
    (directory / "labels.csv").write_text("\n".join(lines) + "\n")
    edges = [f"c{each},group{each % 2}" for each in range(8)]
    (directory / "taxonomy.csv").write_text("\n".join(["child,parent", *edges]) + "\n")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """Two sets of 32-pixel images: "multi" (1 to 3 labels of a taxonomy), "single" (flat)."""
    from data_prep.builder import BuildOptions, build
    from data_prep.pipeline import PlanOptions
    from data_prep.sources.source import SourceOptions

    built = {}
    for name, labels_an_image in (("multi", 3), ("single", 1)):
        root = tmp_path_factory.mktemp(name)
        _write_tiny_manifest(root, labels_an_image)
        taxonomy = str(root / "taxonomy.csv") if name == "multi" else ""
        source = SourceOptions(manifest=str(root / "labels.csv"), taxonomy=taxonomy)
        built[name] = root / "data"
        plan = PlanOptions(seed=0, examples_per_shard=32)
        build(BuildOptions("manifest", source, str(built[name]), plan, 0.0, 1), {})
    return built


@pytest.fixture
def tiny_config(tiny_data: dict[str, pathlib.Path]) -> Callable[..., Any]:
    """tiny_config(data="multi"): a config that trains in seconds; 3 steps an epoch, 2 epochs."""

    def make(data: str = "multi") -> Any:
        from configs import default

        config = default.get_config()
        config.data.update({"dir": str(tiny_data[data]), "resize": 32, "crop": 28})
        config.model.update({"depth": 10, "width": 8, "stem": "patch4"})
        config.optimizer.update({"name": "sgd"})
        config.schedule.update({"name": "cosine", "learning_rate": 0.05})
        config.train.update({"batch_size": 32, "eval_batch_size": 16, "duration": "2 epochs"})
        config.train.log_every = "1 steps"
        if data == "single":
            config.task.loss = "softmax"
        return config

    return make


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The workdir of a run of a tiny classifier, at step 7, with random weights."""
    import tf_keras as keras

    from configs import default
    from revisit.data.records import Contents, Dataset
    from revisit.data.taxonomy import make_taxonomy
    from revisit.tasks import make_task
    from revisit.training import workdir as workdirs
    from revisit.training.checkpoint import Checkpoints
    from revisit.training.model import make_models

    edges = [("dog", "mammal"), ("cat", "mammal"), ("mammal", "animal"), ("cat", "pet")]
    taxonomy = make_taxonomy(["animal", "mammal", "pet", "dog", "cat", "car"], edges)
    config = default.get_config()
    config.data.update({"dir": "nowhere", "resize": 40, "crop": 32})
    config.model.update({"depth": 10, "width": 8})
    workdir = tmp_path_factory.mktemp("finished_run")
    dataset = Dataset("", taxonomy, Contents(), {}, {})
    workdirs.claim(str(workdir), config, "pretrain", None, dataset)
    task = make_task(config, dataset)
    backbone, head = make_models(config, task)
    generator = np.random.default_rng(0)
    for variable in [*backbone.variables, *head.variables]:
        if "kernel" not in variable.name:  # else all batch norms and biases would be trivial
            variable.assign(generator.uniform(0.2, 1.0, variable.shape))
    models = {"backbone": backbone, "head": head}
    Checkpoints(str(workdir), models, keras.optimizers.SGD(), {}, keep_last=1).snapshot(7)()
    (workdir / "metrics.csv").write_text("step,split,name,value\n7,validation,map_macro,0.25\n")
    return workdir
