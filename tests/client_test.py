"""What the client prints, and its one line for each thing that may be wrong."""

import pathlib
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from revisit.errors import UserError
from revisit.serving.predictors import (
    ImageRefusedError,
    format_labels,
    make_local_predictor,
    make_predictor,
)

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SERVER = pathlib.Path(__file__).with_name("savedmodel_server.py")

LABELS = """\
  score  name       title   ancestors
  0.900  n02084071  dog     animal > mammal
  0.250  n1         animal
"""


def client(*arguments):
    command = [sys.executable, "-m", "revisit.client", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def error_line(*arguments):
    """The client's one line on stderr, of a call that must end with status 1."""
    finished = client(*arguments)
    assert finished.returncode == 1, finished.stderr
    (line,) = finished.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def save_model(directory, scores):
    """A model that decodes its images and then always gives the same labels."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(image_bytes):
        def mean(encoded):
            return tf.reduce_mean(
                tf.cast(tf.io.decode_image(encoded, 3, expand_animations=False), tf.float32)
            )

        means = tf.map_fn(mean, image_bytes, fn_output_signature=tf.float32)
        rows = {
            "scores": tf.constant([scores]),
            "class_ids": tf.constant([[1, 0]]),
            "names": tf.constant([["n02084071", "n1"]]),
            "titles": tf.constant([["dog", "animal"]]),
            "ancestors": tf.constant([["animal > mammal", ""]]),
            "mask_bytes": tf.io.encode_png(tf.zeros([20, 30, 1], tf.uint8))[tf.newaxis],
        }
        repeated = {name: tf.repeat(row, tf.size(means), axis=0) for name, row in rows.items()}
        return {**repeated, "features": means[:, tf.newaxis]}

    tf.saved_model.save(tf.Module(), str(directory), signatures=serving_default)


def save_pose_model(directory):
    """A model that finds COCO's joints on the diagonal of each box, or of a box of 10 by 10."""
    names = ["nose", *map("joint{}".format, range(1, 17))]

    def answer(corners):
        steps = tf.linspace(0.0, 1.0, 17)[:, tf.newaxis]
        keypoints = (
            corners[..., tf.newaxis, :2] * (1 - steps) + corners[..., tf.newaxis, 2:] * steps
        )
        scores = tf.ones_like(keypoints[..., 0])
        named = tf.broadcast_to(tf.constant(names), tf.shape(scores))
        return {"keypoints": keypoints, "scores": scores, "names": named}

    image_bytes = tf.TensorSpec([None], tf.string, name="image_bytes")
    boxes = tf.TensorSpec([None, None, 4], tf.float32, name="boxes")
    signatures = {
        "serving_default": tf.function(
            lambda image_bytes: answer(
                tf.repeat([[0.0, 0.0, 10.0, 10.0]], tf.size(image_bytes), axis=0)
            )
        ).get_concrete_function(image_bytes),
        "boxes": tf.function(lambda image_bytes, boxes: answer(boxes)).get_concrete_function(
            image_bytes, boxes
        ),
    }
    tf.saved_model.save(tf.Module(), str(directory), signatures=signatures)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A directory with the models "people" and "pets", whose version 10 is its newest."""
    directory = tmp_path_factory.mktemp("models")
    save_model(directory / "pets" / "9", scores=[0.8, 0.1])
    save_model(directory / "pets" / "10", scores=[0.9, 0.25])
    save_pose_model(directory / "people" / "1")
    return directory


@pytest.fixture(scope="module")
def server(models):
    """(REST port, gRPC port) of a server of `models`."""
    process = subprocess.Popen([sys.executable, SERVER, models], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().split()
    process.terminate()
    process.wait()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "dog.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    path.write_bytes(tf.io.encode_jpeg(pixels).numpy())
    return path


@pytest.fixture
def no_image(tmp_path):
    path = tmp_path / "words.jpg"
    path.write_bytes(b"no image, just words")
    return path


def rest_url(ports, name):
    return f"http://127.0.0.1:{ports[0]}/v1/models/{name}"


def grpc_url(ports, name):
    return f"grpc://127.0.0.1:{ports[1]}/{name}"


def test_labels_from_a_server_are_printed_as_a_table(server, image):
    finished = client(f"--url={rest_url(server, 'pets')}", image, image)
    assert finished.stdout == f"{image}\n{LABELS}" * 2
    assert finished.returncode == 0


def test_labels_come_from_the_newest_version_of_a_directory(models, image):
    finished = client(f"--model={models / 'pets'}", image)
    assert finished.stdout == f"{image}\n{LABELS}"


def test_all_ways_of_asking_give_the_same(server, models, image):
    rest, grpc, local = (
        make_predictor(rest_url(server, "pets"), 60)(image.read_bytes()),
        make_predictor(grpc_url(server, "pets"), 60)(image.read_bytes()),
        make_local_predictor(str(models / "pets"))(image.read_bytes()),
    )
    assert rest == grpc == local
    assert rest["ancestors"] == ["animal > mammal", ""]
    assert rest["mask_bytes"].startswith(b"\x89PNG")


PREDICTORS = {
    "REST": lambda server, models, name: make_predictor(rest_url(server, name), 60),
    "gRPC": lambda server, models, name: make_predictor(grpc_url(server, name), 60),
    "local": lambda server, models, name: make_local_predictor(str(models / name)),
}


@pytest.mark.parametrize("way", PREDICTORS)
def test_each_way_asks_about_boxes(server, models, image, way):
    predict = PREDICTORS[way](server, models, "people")
    found = predict(image.read_bytes(), [(1.0, 2.0, 9.0, 18.0), (0.0, 20.0, 16.0, 28.0)])
    assert np.shape(found["scores"]) == (2, 17)
    assert found["names"][1][0] == "nose"
    assert (found["keypoints"][0][0], found["keypoints"][0][16]) == ([1, 2], [9, 18])
    assert (found["keypoints"][1][0], found["keypoints"][1][16]) == ([0, 20], [16, 28])
    assert np.shape(predict(image.read_bytes())["scores"]) == (17,)


@pytest.mark.parametrize("way", PREDICTORS)
def test_a_model_that_takes_no_boxes_is_told(server, models, image, way):
    predict = PREDICTORS[way](server, models, "pets")
    with pytest.raises(UserError, match="the model takes no boxes: only one with the signature"):
        predict(image.read_bytes(), [(0.0, 0.0, 9.0, 9.0)])


def test_every_box_has_its_table_and_its_skeleton(server, image, tmp_path):
    boxes = ["--box=2,1,8,8", "--box=20,0,8.5,16"]  # x, y, width, height
    url, out = f"--url={rest_url(server, 'people')}", tmp_path / "found"
    finished = client(url, f"--out={out}", *boxes, image)
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0] == str(image)
    assert lines[1] == "  box 2,1,8,8"
    assert lines[3].split() == ["1.000", "nose", "1", "2"]
    assert lines[20] == "  box 20,0,8.5,16"
    assert lines[38].split() == ["1.000", "joint16", "16", "28"]
    assert lines[39:] == [f"  {out / 'dog.png'}: 34 keypoints with a score of 0.2 or more"]
    drawn = np.asarray(Image.open(out / "dog.png"))
    scale = drawn.shape[0] // 20
    plain = np.asarray(Image.open(image).resize(drawn.shape[1::-1], Image.Resampling.NEAREST))
    changed = (plain != drawn).any(axis=-1)
    assert changed[: 10 * scale, : 11 * scale].any()
    assert changed[:, 20 * scale :].any()
    assert not changed[:, 11 * scale : 19 * scale].any()  # nobody stands between them


@pytest.mark.parametrize(
    "box, words",
    [
        ("1,2,3", "--box=1,2,3: expected x,y,width,height, four numbers"),
        ("1,2,3,x", "--box=1,2,3,x: expected x,y,width,height, four numbers"),
        ("5,5,0,5", "--box=5,5,0,5: expected x,y,width,height, four numbers, the sides above 0"),
        ("20,5,28,9", "--box=20,5,28,9 goes from x=20, y=5 to x=48, y=14, out of the image of 30"),
        ("-4,5,9,9", "--box=-4,5,9,9 goes from x=-4, y=5 to x=5, y=14, out of the image of 30"),
    ],
)
def test_a_box_that_is_none_of_the_image_is_one_line(image, box, words):
    assert words in error_line("--model=m", f"--box={box}", image)


def test_boxes_are_of_one_image(image):
    line = error_line("--model=m", "--box=1,1,5,5", image, image)
    assert line == "error: --box is of one image, and 2 are given: ask one by one"


def test_masks_are_drawn_over_the_image_that_was_sent(server, image, tmp_path):
    drawn = client(f"--url={rest_url(server, 'pets')}", f"--out={tmp_path / 'found'}", image)
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "found" / f"{image.stem}.png").read_bytes().startswith(b"\x89PNG")


def test_bytes_that_are_no_image_are_named(server, image, no_image):
    finished = client(f"--url={rest_url(server, 'pets')}", image, no_image)
    assert finished.stdout == f"{image}\n{LABELS}"  # what came before is not lost
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line.startswith(f"error: {no_image}: the model cannot read it as JPEG or PNG: ")
    assert "Unknown image file format" in line


def test_bytes_that_are_no_image_are_refused_in_words(server, models, no_image):
    for predict in (
        make_predictor(rest_url(server, "pets"), 60),
        make_predictor(grpc_url(server, "pets"), 60),
        make_local_predictor(str(models / "pets")),
    ):
        with pytest.raises(ImageRefusedError, match="Unknown image file format") as refusal:
            predict(no_image.read_bytes())
        assert "node" not in str(refusal.value)  # nothing of the graph


@pytest.mark.parametrize("url", [rest_url, grpc_url])
def test_a_model_that_the_server_lacks_is_named(server, url):
    address = url(server, "birds")
    with pytest.raises(UserError, match=f"no model at {address}: Servable not found"):
        make_predictor(address, 60)(b"")


@pytest.mark.parametrize("url", [rest_url, grpc_url])
def test_a_server_that_is_not_there_is_named(url):
    with socket.socket() as free:  # bound and not listening: nobody else can take the port
        free.bind(("127.0.0.1", 0))
        address = url([free.getsockname()[1]] * 2, "pets")
        with pytest.raises(UserError, match=f"cannot reach {address}: .* Is the server up"):
            make_predictor(address, 60)(b"")


@pytest.mark.parametrize("url", [rest_url, grpc_url])
def test_a_server_that_does_not_answer_in_time_is_named(url):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = url([silent.getsockname()[1]] * 2, "pets")
        with pytest.raises(UserError, match=f"cannot reach {address}"):
            make_predictor(address, 0.3)(b"")


def test_a_server_of_something_else_is_named():
    def answer(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=lambda: answer(other.accept()[0]))
        thread.start()
        address = f"http://127.0.0.1:{other.getsockname()[1]}/v1/models/pets"
        with pytest.raises(UserError, match="did not answer as TensorFlow Serving does"):
            make_predictor(address, 60)(b"")
        thread.join()


def test_a_missing_image_is_named_before_anything_is_asked(image):
    line = error_line("--url=http://127.0.0.1:1/v1/models/pets", image, "nowhere.jpg")
    assert line == "error: cannot read the image 'nowhere.jpg': No such file or directory"


def test_a_directory_without_versions_is_one_line(tmp_path, image):
    assert error_line(f"--model={tmp_path}", image).startswith(
        f"error: no exported model in '{tmp_path}'"
    )


def test_a_version_that_is_no_model_is_named(tmp_path):
    (tmp_path / "1").mkdir()
    with pytest.raises(UserError, match=f"cannot load {tmp_path}/1: .* export the model anew"):
        make_local_predictor(str(tmp_path))


def test_objects_are_printed_with_their_boxes_and_nothing_of_score_zero():
    found = {"scores": [0.9, 0.0004], "names": ["1", "2"], "titles": ["cat", "dog"]}
    lines = format_labels({**found, "boxes": [[1.2, 2, 30, 40.6], [0, 0, 1, 1]]}).splitlines()
    assert [line.split() for line in lines] == [
        ["score", "name", "title", "ymin", "xmin", "ymax", "xmax"],
        ["0.900", "1", "cat", "1", "2", "30", "41"],
    ]


def test_keypoints_are_printed_with_their_places():
    found = {"scores": [0.9], "names": ["nose"], "keypoints": [[10.4, 20.6]]}
    lines = format_labels(found).splitlines()
    assert [line.split() for line in lines] == [
        ["score", "name", "y", "x"],
        ["0.900", "nose", "10", "21"],
    ]


def test_two_images_of_one_name_are_not_drawn_over_each_other(image, tmp_path):
    other = tmp_path / "other" / image.name
    other.parent.mkdir()
    other.write_bytes(image.read_bytes())
    line = error_line("--model=m", f"--out={tmp_path / 'found'}", image, other)
    assert line == (
        f"error: 2 of the images would be drawn to {tmp_path / 'found' / 'dog.png'}: ask one by one"
    )


def test_an_out_that_is_a_file_is_named(image):
    line = error_line("--model=m", f"--out={image}", image)
    assert line == f"error: cannot write to --out='{image}': File exists"


def test_an_answer_without_labels_is_named():
    with pytest.raises(UserError, match="the model gives no scores, names"):
        format_labels({"boxes": []})


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["x.jpg"], "cannot read the image 'x.jpg'"),
        ([], "no image is given"),
        (["--url=ftp://host/x", __file__], "--url='ftp://host/x' names no known protocol"),
        ([__file__], "give either --url"),
        (["--url=http://host/x", "--model=x", __file__], "give either --url"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, words):
    assert words in error_line(*arguments)
