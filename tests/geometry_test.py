"""revisit.data.geometry: image, boxes, mask and keypoints move alike, and back."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from revisit.data import geometry

SOURCE = (120, 90)  # height, width
CANVAS = (80, 110)


def _seed(number: int) -> tf.Tensor:
    return tf.constant([0, number], tf.int64)


def _cropped_box(number: int) -> geometry.Transform:
    draws = np.random.default_rng(number).uniform(0, 1, 4)
    box = np.float32([draws[0] / 2, draws[1] / 2, (1 + draws[2]) / 2, (1 + draws[3]) / 2])
    return geometry.crop_box(SOURCE, box, 1.3, CANVAS)


# Each makes one of many transforms, by a number.
MAKERS = {
    "fit": lambda number: geometry.fit(SOURCE, 50 + 5 * number, 100, CANVAS),
    "random_crop": lambda number: geometry.random_crop(SOURCE, (0.5, 2.0), CANVAS, _seed(number)),
    "crop_box": _cropped_box,
    "mirrored": lambda number: geometry.mirror(_cropped_box(number), True),
    "two in a row": lambda number: geometry.then(
        geometry.mirror(geometry.fit(SOURCE, 60, 90, (90, 90)), number % 2 == 0),
        geometry.random_crop((90, 90), (0.8, 1.6), CANVAS, _seed(number)),
    ),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def _keypoints(number: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(number).uniform(0, 1, (17, 3)), tf.float32)


def _boxes(number: int) -> tf.Tensor:
    corners = np.sort(np.random.default_rng(number).uniform(0, 1, (6, 2, 2)), axis=1)
    return tf.constant(corners.reshape(6, 4), tf.float32)


@every_maker
def test_a_transform_and_its_inverse_give_the_start(make):
    for number in range(20):
        transform = make(number)
        back = geometry.invert(transform)
        boxes, keypoints = _boxes(number), _keypoints(number)
        again = geometry.apply_to_boxes(back, geometry.apply_to_boxes(transform, boxes))
        np.testing.assert_allclose(again, boxes, atol=1e-5)
        again = geometry.apply_to_keypoints(back, geometry.apply_to_keypoints(transform, keypoints))
        np.testing.assert_allclose(again, keypoints, atol=1e-5)
        for ours, start in zip(geometry.invert(back), transform):
            np.testing.assert_allclose(ours, start, rtol=1e-4, atol=1e-3)


def _find_marker(picture: np.ndarray, color: int) -> np.ndarray | None:
    """The centre (y, x), in pixels, of the pixels of one colour channel and no other."""
    others = np.delete(picture.astype(int), color, axis=2).max(axis=2)
    weights = np.maximum(picture[..., color].astype(int) - others - 60, 0)
    if weights.sum() < 300:
        return None
    ys, xs = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    return np.array([(ys * weights).sum(), (xs * weights).sum()]) / weights.sum()


@every_maker
def test_a_drawn_marker_stays_under_its_keypoint(make):
    places = {0: (40, 45), 1: (60, 30), 2: (55, 62)}  # nose, left eye, right eye
    image = np.zeros((*SOURCE, 3), np.uint8)
    keypoints = np.zeros((17, 3), np.float32)
    for color, (y, x) in places.items():
        image[y - 5 : y + 5, x - 5 : x + 5, color] = 250
        keypoints[color] = y / SOURCE[0], x / SOURCE[1], 2
    found = 0
    for number in range(12):
        transform = make(number)
        picture = geometry.apply_to_image(transform, tf.constant(image)).numpy()
        moved = geometry.apply_to_keypoints(transform, tf.constant(keypoints)).numpy()
        # In a mirror the marker of the right eye is that of a left one.
        names = {0: 0, 1: 2, 2: 1} if transform.scale[1] < 0 else {0: 0, 1: 1, 2: 2}
        for color, keypoint in names.items():
            expected = moved[keypoint, :2] * CANVAS
            half = 5 * float(transform.scale[0]) + 1
            if (expected < half).any() or (expected > np.array(CANVAS) - half).any():
                continue  # the marker is cut
            marker = _find_marker(picture, color)
            np.testing.assert_allclose(marker, expected, atol=0.6)
            found += 1
    assert found >= 12


@every_maker
def test_a_mask_moves_with_its_box_and_padding_is_ignored(make):
    mask = np.zeros((*SOURCE, 1), np.uint8)
    mask[30:70, 20:60] = 7
    box = tf.constant([[30 / 120, 20 / 90, 70 / 120, 60 / 90]])
    whole = tf.constant([[0.0, 0.0, 1.0, 1.0]])
    for number in range(12):
        transform = make(number)
        drawn = geometry.apply_to_mask(transform, tf.constant(mask)).numpy()[..., 0]
        assert drawn.shape == CANVAS
        for classes, source_box in (([7], box), ([0, 7], whole)):
            moved = geometry.clip_boxes(geometry.apply_to_boxes(transform, source_box))[0]
            ymin, xmin, ymax, xmax = moved.numpy() * np.tile(CANVAS, 2)
            ys, xs = np.nonzero(np.isin(drawn, classes))
            expected = [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1]
            np.testing.assert_allclose([ymin, xmin, ymax, xmax], expected, atol=1.0)
            assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)  # without holes
        assert set(np.unique(drawn)) <= {0, 7, 255}


def test_pixels_are_those_of_pillows_antialiased_resize():
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8))
    pixels = np.asarray(pixels.resize((90, 120), Image.BICUBIC))
    ours = geometry.apply_to_image(geometry.fit(SOURCE, 45, 1000, (64, 64)), tf.constant(pixels))
    theirs = np.asarray(Image.fromarray(pixels).resize((45, 60), Image.BILINEAR)).astype(int)
    assert np.abs(ours.numpy()[:60, :45].astype(int) - theirs).max() <= 1
    assert (ours.numpy()[60:] == 128).all()
    assert (ours.numpy()[:, 45:] == 128).all()
    flipped = geometry.mirror(geometry.fit(SOURCE, 90, 1000, SOURCE), True)
    np.testing.assert_array_equal(geometry.apply_to_image(flipped, pixels), pixels[:, ::-1])


@pytest.mark.parametrize(
    ("size", "scale"), [((480, 640), 1.25), ((640, 480), 1.25), ((300, 900), 1024 / 900)]
)
def test_the_papers_size_is_600_for_the_short_side_and_at_most_1024_for_the_long(size, scale):
    transform = geometry.fit(size, 600, 1024, (1024, 1024))
    np.testing.assert_allclose(transform.scale, [scale, scale], rtol=1e-6)
    box = geometry.apply_to_boxes(transform, tf.constant([[0.0, 0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(box[0, 2:] * 1024, np.array(size) * scale, rtol=1e-5)


def test_a_box_keeps_its_aspect_ratio_and_its_centre_in_its_crop():
    box = tf.constant([0.25, 0.5, 0.75, 0.6])  # 60 x 9 pixels
    transform = geometry.crop_box(SOURCE, box, 1.25, (353, 257))
    moved = geometry.apply_to_boxes(transform, box[tf.newaxis])[0].numpy() * [353, 257, 353, 257]
    np.testing.assert_allclose((moved[:2] + moved[2:]) / 2, [353 / 2, 257 / 2], atol=1e-3)
    np.testing.assert_allclose(moved[2:] - moved[:2], [353 / 1.25, 353 / 1.25 * 9 / 60], atol=1e-2)


def test_a_random_crop_covers_or_keeps_the_whole_image():
    whole = tf.constant([[0.0, 0.0, 1.0, 1.0]])
    scales = set()
    for number in range(30):
        transform = geometry.random_crop(SOURCE, (0.5, 1.5), CANVAS, _seed(number))
        again = geometry.random_crop(SOURCE, (0.5, 1.5), CANVAS, _seed(number))
        np.testing.assert_array_equal(tf.stack(transform), tf.stack(again))
        ymin, xmin, ymax, xmax = geometry.apply_to_boxes(transform, whole)[0].numpy()
        for low, high in ((ymin, ymax), (xmin, xmax)):
            assert (low <= 1e-6 and high >= 1 - 1e-6) or (low >= -1e-6 and high <= 1 + 1e-6)
        scales.add(round(float(transform.scale[0]), 3))
    assert len(scales) > 20
    assert min(scales) < 0.7
    assert max(scales) > 1.3


def test_a_batch_of_transforms_moves_as_each_alone_and_works_in_a_graph():
    numbers = range(3)
    example = tf.data.Dataset.from_tensor_slices(list(numbers)).map(
        lambda number: tf.stack(
            geometry.mirror(
                geometry.random_crop(SOURCE, (0.5, 2.0), CANVAS, tf.stack([0, number])),
                number == 1,
            )
        )
    )
    stacked = next(iter(example.batch(3)))  # [3, 4, 2]
    batch = geometry.Transform(*tf.unstack(stacked, axis=-2))
    boxes = tf.stack([_boxes(number) for number in numbers])
    people = tf.stack([tf.stack([_keypoints(n), _keypoints(n + 9)]) for n in numbers])
    for number in numbers:
        alone = geometry.Transform(*(field[number] for field in batch))
        np.testing.assert_allclose(
            geometry.apply_to_boxes(batch, boxes)[number],
            geometry.apply_to_boxes(alone, boxes[number]),
            atol=1e-6,
        )
        np.testing.assert_allclose(
            geometry.apply_to_keypoints(batch, people)[number],
            geometry.apply_to_keypoints(alone, people[number]),
            atol=1e-6,
        )


def test_a_static_canvas_has_a_static_shape_in_a_graph():
    def draw(image):
        transform = geometry.fit(tf.shape(image)[:2], 30, 60, (60, 60))
        mirrored = geometry.mirror(transform, tf.constant(True))
        return geometry.apply_to_image(mirrored, image), geometry.apply_to_mask(mirrored, image)

    images = tf.data.Dataset.from_tensors(tf.zeros([20, 40, 3], tf.uint8))
    for spec in images.map(draw).element_spec:
        assert spec.shape == (60, 60, 3)
