"""The exported directory: what lies in it, and that a server never sees half of it."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import revisit
from revisit.errors import UserError
from revisit.serving import exporter
from revisit.serving.versions import list_versions
from revisit.training.model import load_model

SAVED_MODEL_CLI = pathlib.Path(sys.executable).with_name("saved_model_cli")


@pytest.fixture(scope="module")
def version(finished_run, tmp_path_factory):
    return exporter.export(str(finished_run), str(tmp_path_factory.mktemp("models") / "pets"))


def jpeg(size=50):
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return tf.io.encode_jpeg(pixels).numpy()


def test_the_first_version_is_number_one_and_holds_all_that_a_server_needs(version):
    assert version.name == "1"
    files = {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
    assert files >= {
        "saved_model.pb",
        "variables/variables.index",
        "assets/config.json",
        "assets/taxonomy.json",
        "assets.extra/tf_serving_warmup_requests",
        "model_card.md",
    }
    assert json.loads((version / "assets" / "config.json").read_text())["model"]["depth"] == 10


def test_the_loaded_graph_answers_as_the_signatures_do(version, finished_run):
    encoded = tf.constant([jpeg(), jpeg(64)])
    signatures = tf.saved_model.load(str(version)).signatures
    expected = exporter.make_signatures(load_model(str(finished_run)))
    for name in ("serving_default", "features"):
        ours = expected[name](encoded)
        theirs = signatures[name](image_bytes=encoded)
        assert set(ours) == set(theirs)
        np.testing.assert_allclose(theirs["features"], ours["features"], atol=1e-5, rtol=1e-5)
    pixels = tf.random.stateless_uniform([3, 32, 32, 3], [0, 1], -1.0, 1.0)
    np.testing.assert_allclose(
        signatures["images"](images=pixels)["scores"],
        expected["images"](pixels)["scores"],
        atol=1e-5,
    )


def test_saved_model_cli_shows_the_signatures(version):
    command = [sys.executable, SAVED_MODEL_CLI, "show", "--dir", version, "--all"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words in (
        "signature_def['serving_default']",
        "signature_def['features']",
        "signature_def['images']",
        "inputs['image_bytes'] tensor_info:\n        dtype: DT_STRING\n        shape: (-1)",
        "inputs['images'] tensor_info:\n        dtype: DT_FLOAT\n        shape: (-1, 32, 32, 3)",
        "outputs['class_ids'] tensor_info:\n        dtype: DT_INT32\n        shape: (-1, 5)",
        "outputs['ancestors'] tensor_info:\n        dtype: DT_STRING\n        shape: (-1, 5)",
        "outputs['features'] tensor_info:\n        dtype: DT_FLOAT\n        shape: (-1, 64)",
    ):
        assert words in shown, words


def test_a_second_engine_gives_the_same_answers(version, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    path = tmp_path / "images.onnx"
    command = [sys.executable, "-m", "tf2onnx.convert", "--signature_def=images", "--opset=17"]
    subprocess.run([*command, "--saved-model", version, "--output", path], check=True)
    session = onnxruntime.InferenceSession(path)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"images": images})))
    expected = tf.saved_model.load(str(version)).signatures["images"](images=tf.constant(images))
    assert set(found) == set(expected)
    for name in ("scores", "features"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["class_ids"], expected["class_ids"])
    for name in ("names", "titles", "ancestors"):
        served = [[word.decode() for word in row] for row in expected[name].numpy()]
        assert found[name].tolist() == served


def test_saved_model_cli_runs_the_graph(version, tmp_path):
    images = np.zeros((2, 32, 32, 3), np.float32)
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, SAVED_MODEL_CLI, "run", "--dir", version, "--tag_set=serve"]
    signature = ["--signature_def=images", "--inputs", f"images={tmp_path / 'images.npy'}"]
    subprocess.run([*command, *signature, "--outdir", tmp_path], check=True, capture_output=True)
    expected = tf.saved_model.load(str(version)).signatures["images"](images=tf.constant(images))
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected["scores"], atol=1e-5)


def test_every_warmup_request_runs_on_the_exported_graph(version):
    signatures = tf.saved_model.load(str(version)).signatures
    records = tf.data.TFRecordDataset(str(version / "assets.extra/tf_serving_warmup_requests"))
    asked = set()
    for record in records.as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        outputs = signatures[request.model_spec.signature_name](**inputs)
        asked.add((request.model_spec.signature_name, int(outputs["features"].shape[0])))
    assert asked == {(name, size) for name in signatures for size in (1, 8)}


def test_the_card_says_what_the_run_was(version):
    card = (version / "model_card.md").read_text()
    for words in (
        "A ResNet-10 (width 8, stem conv7) for the task 'classify', as it was at step 7",
        "- mode: pretrain",
        "- started from: random weights",
        "- records: not known: the data set was not there when this was exported",
        "- classes: 6, in a taxonomy 3 levels deep",
        "| map_macro | 0.25 |",
        "- training images: not stated",
        '"learning_rate": 0.001',
    ):
        assert words in card, words


def test_the_next_version_is_one_more_than_the_highest(finished_run, tmp_path):
    for name in ("2", "10", "notes", "1.5"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").write_text("a file, which a server would take for a version too")
    assert list_versions(tmp_path) == [2, 10, 11]
    assert exporter.export(str(finished_run), str(tmp_path)) == tmp_path / "12"


def test_a_server_never_sees_half_a_version(finished_run, tmp_path, monkeypatch):
    seen = []

    def fail(*arguments):
        seen.extend(path.name for path in tmp_path.iterdir())
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(exporter, "write_card", fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        exporter.export(str(finished_run), str(tmp_path))
    (aside,) = seen
    assert not aside.isdecimal()
    assert list(tmp_path.iterdir()) == []  # and nothing is left behind


def test_a_number_taken_meanwhile_is_passed_over(tmp_path, monkeypatch):
    taken = tmp_path / "1"
    (taken / "variables").mkdir(parents=True)
    (tmp_path / ".exporting-x").mkdir()
    answers = iter([[], [1]])  # another export takes 1 between the look and the renaming
    monkeypatch.setattr(exporter, "list_versions", lambda directory: next(answers))
    assert exporter._publish(tmp_path / ".exporting-x") == tmp_path / "2"
    assert taken.is_dir()


def test_an_out_that_cannot_be_a_directory_is_the_users_mistake(finished_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to --out='.*file'"):
        exporter.export(str(finished_run), str(tmp_path / "file"))


def test_other_users_may_read_a_version(version):
    assert version.stat().st_mode & 0o055 == 0o055


def test_old_versions_go_when_only_the_newest_are_kept(finished_run, tmp_path):
    for name in ("3", "9", "10", "notes"):
        (tmp_path / name).mkdir()
    exporter.export(str(finished_run), str(tmp_path), exporter.Options(keep=2))
    assert {path.name for path in tmp_path.iterdir()} == {"10", "11", "notes"}


def test_bfloat16_kernels_take_half_the_space_and_answer_nearly_alike(
    version, finished_run, tmp_path
):
    options = exporter.Options(weights_dtype="bfloat16")
    small = exporter.export(str(finished_run), str(tmp_path / "small"), options)
    sizes = [
        (path / "variables" / "variables.data-00000-of-00001").stat().st_size
        for path in (small, version)
    ]
    assert 0.5 < sizes[0] / sizes[1] < 0.55
    loaded = load_model(str(finished_run))
    variables = [*loaded.backbone.variables, *loaded.head.variables]
    kernels = sum(int(tf.size(each)) for each in variables if "kernel" in each.name)
    others = sum(int(tf.size(each)) for each in variables) - kernels
    words = f"Stored are {kernels:,} bfloat16 weights and {others:,} float32 weights."
    assert words in (small / "model_card.md").read_text()
    stored, exact = (tf.saved_model.load(str(path)) for path in (small, version))
    pixels = tf.random.stateless_uniform([4, 32, 32, 3], [0, 1], -1.0, 1.0)
    ours, reference = (
        model.signatures["images"](images=pixels)["features"].numpy() for model in (stored, exact)
    )
    error = np.abs(ours - reference).max() / np.abs(reference).max()
    assert 0 < error < 0.02  # 8 significant bits a kernel
    # What the backbone computes from the stored weights is what the server computes.
    backbone = revisit.load_backbone(str(small))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
    encoded = tf.stack([tf.io.encode_png(each) for each in pictures])
    served = stored.signatures["features"](image_bytes=encoded)["features"]
    np.testing.assert_allclose(backbone(pictures)["features"], served, rtol=1e-4, atol=1e-5)


def test_the_license_that_is_given_stands_in_the_card(finished_run, tmp_path):
    options = exporter.Options(license="CC BY 4.0")
    exported = exporter.export(str(finished_run), str(tmp_path), options)
    card = (exported / "model_card.md").read_text()
    assert "## License\n- model: CC BY 4.0\n- training images: not stated\n" in card
