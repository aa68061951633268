"""What a model found is drawn where it found it."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from revisit.errors import UserError
from revisit.serving.pictures import count_drawn, draw, set_upright


def encode(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


GRAY = encode(np.full((300, 400, 3), 100, np.uint8))


def test_boxes_of_a_good_score_are_drawn_in_the_images_own_pixels():
    boxes = [[50, 100, 200, 300], [10, 10, 40, 40]]
    outputs = {"boxes": boxes, "scores": [0.9, 0.1], "titles": ["dog", "cat"]}
    picture = np.asarray(draw(GRAY, outputs))
    assert picture.shape == (300, 400, 3)
    red = (picture == [255, 0, 0]).all(axis=-1)
    rows, columns = np.nonzero(red[50:])
    assert (columns.min(), columns.max(), rows.max() + 50) == (100, 300, 200)
    assert not red[:30].any()


def test_masks_color_their_classes_alone():
    classes = np.zeros((300, 400), np.uint8)
    classes[:100], classes[200:] = 3, 7
    picture = np.asarray(draw(GRAY, {"mask_bytes": encode(classes)}))
    colors = {tuple(picture[row, 0]) for row in (0, 150, 299)}
    assert len(colors) == 3
    assert tuple(picture[150, 0]) == (100, 100, 100)
    assert (picture[:100] == picture[0, 0]).all()


def test_limbs_join_the_keypoints_that_were_found():
    keypoints, scores = np.zeros((17, 2)), np.zeros(17)
    shoulder, elbow, wrist = 5, 7, 9
    keypoints[[shoulder, elbow, wrist]] = [[60, 100], [160, 100], [160, 300]]  # y, x
    scores[[shoulder, elbow]] = 0.9
    outputs = {"keypoints": keypoints.tolist(), "scores": scores.tolist()}
    picture = np.asarray(draw(GRAY, outputs)).astype(int)
    drawn = (picture != 100).any(axis=-1)
    assert drawn[70:150, 100].all()  # the upper arm
    assert not drawn[160, 120:].any()  # no forearm: nobody found the wrist
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max()) == (57, 163)  # and round joints at both ends
    assert columns.max() <= 103


# EXIF's orientation -> what makes the stored pixels upright (CIPA DC-008, "Orientation").
UPRIGHT = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_what_exif_turns_is_set_upright(orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    upright = Image.open(io.BytesIO(set_upright(file.getvalue())))
    np.testing.assert_array_equal(np.asarray(upright), UPRIGHT[orientation](pixels))
    assert set(upright.getexif().values()) <= {1}


@pytest.mark.parametrize("image", [GRAY, GRAY[:60], b"", b"just words"])
def test_bytes_that_nothing_turns_are_sent_as_they_are(image):
    assert set_upright(image) == image


def test_an_image_that_pillow_cannot_read_is_named():
    boxes = {"boxes": [], "scores": [], "titles": []}
    with pytest.raises(UserError, match="Pillow cannot read the image: "):
        draw(GRAY[:100], boxes)


def test_what_is_drawn_is_counted():
    boxes = {"boxes": [[0, 0, 9, 9]] * 3, "scores": [0.49, 0.3, 0.1], "titles": ["cat"] * 3}
    assert count_drawn(boxes) == "0 boxes with a score of 0.5 or more"
    assert (np.asarray(draw(GRAY, boxes)) == 100).all()
    people = {"keypoints": np.zeros((2, 17, 2)), "scores": np.linspace(0, 1, 34).reshape(2, 17)}
    assert count_drawn(people) == "27 keypoints with a score of 0.2 or more"
    assert count_drawn({"mask_bytes": b""}) == ""


def test_labels_alone_are_nothing_to_draw():
    assert draw(GRAY, {"scores": [0.5], "names": ["dog"]}) is None
