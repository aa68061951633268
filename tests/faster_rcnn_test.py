"""revisit.models.faster_rcnn and boxes: against plain NumPy, pycocotools and keras-cv."""

import unittest.mock

import keras_cv
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from revisit.models import boxes as box_lib
from revisit.models import faster_rcnn, fpn, roi_align
from revisit.models.resnet import ResNet

OPTIONS = faster_rcnn.Options(
    canvas=64,
    anchor_sizes=(16.0, 32.0),
    anchor_ratios=(0.5, 1.0, 2.0),
    rpn_channels=16,
    rpn_samples=16,
    box_samples=12,
    proposals=10,
    box_crop=4,
    fpn_channels=0,
)
FPN_OPTIONS = OPTIONS._replace(anchor_sizes=(8.0,), fpn_channels=16, box_crop=3)


def _boxes(seed, *shape):
    corners = np.sort(np.random.default_rng(seed).uniform(0, 1, (*shape, 2, 2)), axis=-2)
    boxes = corners.reshape(*shape, 4) + [0.0, 0.0, 0.05, 0.05]  # none is as thin as a line
    return boxes.astype(np.float32)


def test_overlaps_are_those_of_pycocotools_and_keras_cv():
    rows, columns = _boxes(0, 20), _boxes(1, 30)
    ours = box_lib.overlaps(tf.constant(rows), tf.constant(columns))
    theirs = keras_cv.bounding_box.compute_iou(rows, columns, bounding_box_format="yxyx")
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    as_xywh = [
        np.stack([b[:, 1], b[:, 0], b[:, 3] - b[:, 1], b[:, 2] - b[:, 0]], axis=1).astype(float)
        for b in (rows, columns)
    ]
    np.testing.assert_allclose(ours, coco_mask.iou(*as_xywh, [0] * 30), atol=1e-5)


def test_a_decoded_code_is_the_box():
    truth, anchors = _boxes(0, 3, 50), _boxes(1, 3, 50)
    again = box_lib.decode(box_lib.encode(truth, anchors), anchors)
    np.testing.assert_allclose(again, truth, atol=1e-5)
    # Half a box to the right, twice as high: offsets times 10, log sizes times 5.
    code = box_lib.encode(tf.constant([[0.0, 0.5, 2.0, 1.5]]), tf.constant([[0.5, 0.0, 1.5, 1.0]]))
    np.testing.assert_allclose(code, [[0.0, 5.0, 5 * np.log(2), 0.0]], atol=1e-5)


def test_a_sample_has_its_share_of_positives_and_the_same_seed_draws_the_same():
    positive = np.zeros((2, 40), bool)
    positive[0, :20], positive[1, :2] = True, True
    negative = ~positive
    negative[:, 36:] = False
    places, drawn = box_lib.sample(positive, negative, 16, 0.25, tf.constant([1, 2]))
    assert drawn.numpy().all()
    for row, expected in ((0, 4), (1, 2)):
        assert len(set(places[row].numpy())) == 16
        assert positive[row, places[row]].sum() == expected
        assert (positive | negative)[row, places[row]].all()
    again, _ = box_lib.sample(positive, negative, 16, 0.25, tf.constant([1, 2]))
    np.testing.assert_array_equal(places, again)
    other, _ = box_lib.sample(positive, negative, 16, 0.25, tf.constant([1, 3]))
    assert not np.array_equal(places, other)
    few, drawn = box_lib.sample(positive, positive & False, 16, 0.25, tf.constant([1, 2]))
    assert drawn.numpy().sum(axis=1).tolist() == [4, 2]


def test_anchors_have_their_sizes_ratios_and_places():
    anchors = faster_rcnn.make_anchors(OPTIONS, [4]).numpy() * 64
    assert anchors.shape == (4 * 4 * 6, 4)
    sides = anchors[:6, 2:] - anchors[:6, :2]
    np.testing.assert_allclose(np.sqrt(sides.prod(axis=1)), [16] * 3 + [32] * 3, rtol=1e-5)
    np.testing.assert_allclose(sides[:, 1] / sides[:, 0], [0.5, 1, 2] * 2, rtol=1e-5)
    centers = (anchors[::6, 2:] + anchors[::6, :2]) / 2
    expected = [[y, x] for y in (8, 24, 40, 56) for x in (8, 24, 40, 56)]
    np.testing.assert_allclose(centers, expected, atol=1e-4)


def test_anchors_of_a_pyramid_double_with_every_map():
    anchors = faster_rcnn.make_anchors(FPN_OPTIONS, [16, 8, 4]).numpy() * 64
    assert anchors.shape == ((16**2 + 8**2 + 4**2) * 3, 4)
    sizes = np.sqrt((anchors[:, 2:] - anchors[:, :2]).prod(axis=1))
    np.testing.assert_allclose(sizes, [8] * 768 + [16] * 192 + [32] * 48, rtol=1e-5)


def _sample_at(features, y, x):
    """Bilinear, between the centres of features, in features from the corner."""
    y, x = (np.clip(v - 0.5, 0, n - 1) for v, n in zip((y, x), features.shape))
    low_y, low_x = int(y), int(x)
    high_y, high_x = min(low_y + 1, features.shape[0] - 1), min(low_x + 1, features.shape[1] - 1)
    dy, dx = y - low_y, x - low_x
    top = features[low_y, low_x] * (1 - dx) + features[low_y, high_x] * dx
    bottom = features[high_y, low_x] * (1 - dx) + features[high_y, high_x] * dx
    return top * (1 - dy) + bottom * dy


def test_aligned_features_are_means_of_bilinear_samples():
    features = np.random.default_rng(0).normal(size=(1, 5, 7, 1)).astype(np.float32)
    boxes = np.float32(np.concatenate([_boxes(3, 1, 4), [[[0, 0, 1, 1]]]], axis=1))
    ours = roi_align.align(tf.constant(features), tf.constant(boxes), 3).numpy()
    for place, (ymin, xmin, ymax, xmax) in enumerate(boxes[0] * [5, 7, 5, 7]):
        for i in range(3):
            for j in range(3):
                samples = [
                    _sample_at(
                        features[0, ..., 0],
                        ymin + (i + dy) / 3 * (ymax - ymin),
                        xmin + (j + dx) / 3 * (xmax - xmin),
                    )
                    for dy in (0.25, 0.75)
                    for dx in (0.25, 0.75)
                ]
                assert ours[0, place, i, j, 0] == pytest.approx(np.mean(samples), abs=1e-5)


def test_each_box_is_cut_from_its_own_map_of_a_pyramid():
    generator = np.random.default_rng(0)
    sides = ((9, 12), (5, 6), (3, 3))
    pyramid = [tf.constant(generator.normal(size=(2, *s, 4)), tf.float32) for s in sides]
    boxes = tf.constant(_boxes(3, 2, 30))
    levels = tf.constant(generator.integers(0, 3, (2, 30)), tf.int32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pyramid)
        ours = roi_align.align_levels(pyramid, boxes, levels, 3)
        single = tf.stack([roi_align.align(each, boxes, 3) for each in pyramid], axis=2)
        expected = tf.gather(single, levels, axis=2, batch_dims=2)
        weights = tf.random.stateless_normal(ours.shape, [1, 2])
        sums = [tf.reduce_sum(weights * crops) for crops in (ours, expected)]
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    for gradient, truth in zip(*(tape.gradient(total, pyramid) for total in sums), strict=True):
        np.testing.assert_allclose(gradient, truth, atol=1e-4)


@pytest.fixture(scope="module")
def models():
    backbone = ResNet(10, width=8, stem="conv3_pool")
    return backbone, faster_rcnn.FasterRCNN(backbone, 3, OPTIONS)


TRUTH = {
    "boxes": tf.constant([[[0.1, 0.1, 0.5, 0.4], [0.4, 0.5, 0.9, 0.9], [0.0, 0.6, 0.3, 1.0]]] * 2),
    "labels": tf.constant([[1, 2, -1], [0, -1, -1]]),
    "is_crowd": tf.constant([[False, False, True], [False, False, False]]),
    "seed": tf.constant([[3, 4], [5, 6]], tf.int64),
}


def _check_targets(outputs):
    truth, labels = TRUTH["boxes"].numpy(), TRUTH["labels"].numpy()
    for name, anchors in (("rpn", "rpn_anchors"), ("box", "box_proposals")):
        decoded = box_lib.decode(outputs[f"{name}_true_deltas"], outputs[anchors]).numpy()
        is_object = (outputs[f"{name}_is_object"] & outputs[f"{name}_drawn"]).numpy()
        for row in range(2):
            found = decoded[row, is_object[row]]
            distances = np.abs(found[:, np.newaxis] - truth[row, labels[row] >= 0]).max(axis=-1)
            assert distances.min(axis=1).max() < 1e-4  # each is one of the true ones ...
            assert distances.min(axis=0).max() < 1e-4  # ... and all of them are there


def test_targets_decode_to_the_true_boxes(models):
    outputs = models[1]({"c4": tf.zeros([2, 4, 4, 32]), **TRUTH}, training=True)
    _check_targets(outputs)
    positives = outputs["box_labels"].numpy()[outputs["box_is_object"].numpy()]
    assert set(positives) == {0, 1, 2}
    assert set(outputs["box_labels"].numpy()[~outputs["box_is_object"].numpy()]) <= {3}


def test_what_lies_in_a_crowd_is_no_negative(models):
    crowd = {**TRUTH, "boxes": tf.constant([[[0.0, 0.0, 1.0, 1.0]] * 3] * 2)}
    crowd["labels"] = tf.fill([2, 3], -1)
    crowd["is_crowd"] = tf.constant([[True, False, False], [False, False, False]])
    outputs = models[1]({"c4": tf.zeros([2, 4, 4, 32]), **crowd}, training=True)
    drawn = outputs["rpn_drawn"].numpy()
    inside = outputs["rpn_anchors"].numpy()[0, drawn[0]]
    shared = np.clip(inside[:, 2:], 0, 1) - np.clip(inside[:, :2], 0, 1)
    whole = inside[:, 2:] - inside[:, :2]
    assert (shared.prod(axis=1) / whole.prod(axis=1) <= 0.5).all()
    assert drawn[1].all()


def test_conv5_is_the_backbones_own_and_learns_through_the_head(models):
    backbone, head = models
    ours = {variable.name for variable in head.variables}
    assert ours == {
        f"{layer}/{part}:0"
        for layer in ("rpn/conv", "rpn/logits", "rpn/deltas", "box/logits", "box/deltas")
        for part in ("kernel", "bias")
    }
    kernels = [v for v in backbone.trainable_variables if v.name.startswith("stage5")]
    with tf.GradientTape() as tape:
        features = tf.random.stateless_normal([2, 4, 4, 32], [0, 1])
        outputs = head({"c4": features, **TRUTH}, training=True)
        loss = tf.reduce_sum(outputs["box_logits"] ** 2)
    gradients = tape.gradient(loss, kernels)
    assert all(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in gradients)


def test_what_is_found_lies_in_the_image_and_not_in_the_padding(models):
    # The image covers the upper left quarter: 32 of 64 pixels.
    geometry = tf.constant([[[1.0, 1.0], [0.0, 0.0], [32.0, 32.0], [64.0, 64.0]]])
    features = tf.random.stateless_normal([1, 4, 4, 32], [0, 1])
    found = models[1]({"c4": features, "geometry": geometry}, training=False)
    assert found["boxes"].shape == (1, 300, 4)
    real = found["boxes"].numpy()[0, found["scores"].numpy()[0] > 0]
    assert len(real)
    assert real.max() <= 0.5 + 1e-6
    assert (np.diff(found["scores"].numpy()[0]) <= 0).all()


def test_the_training_step_compiles_with_xla(models):
    @tf.function(jit_compile=True)
    def step(features):
        return models[1]({"c4": features, **TRUTH}, training=True)

    features = tf.random.stateless_normal([2, 4, 4, 32], [0, 1])
    compiled, eager = step(features), models[1]({"c4": features, **TRUTH}, training=True)
    # XLA draws other samples, of the same numbers.
    for name in ("rpn_drawn", "box_drawn", "rpn_is_object"):
        np.testing.assert_array_equal(
            tf.reduce_sum(tf.cast(compiled[name], tf.int32), axis=1),
            tf.reduce_sum(tf.cast(eager[name], tf.int32), axis=1),
        )
    assert np.isfinite(compiled["box_logits"]).all()


@pytest.fixture(scope="module")
def pyramid_models():
    backbone = ResNet(10, width=8, stem="patch4")
    return backbone, faster_rcnn.FasterRCNN(backbone, 3, FPN_OPTIONS)


def _stages(batch_size):
    """Features of an image of 64 pixels."""
    return {
        f"c{number}": tf.random.stateless_normal([batch_size, side, side, width], [number, 1])
        for number, side, width in ((2, 16, 8), (3, 8, 16), (4, 4, 32), (5, 2, 64))
    }


def test_a_pyramid_has_the_layers_of_its_paper(pyramid_models):
    backbone, head = pyramid_models
    assert head.input_names[:4] == ["c2", "c3", "c4", "c5"]
    shapes = {v.name: tuple(v.shape) for v in head.variables if "kernel" in v.name}
    laterals = {f"fpn/c{2 + i}/lateral/kernel:0": (1, 1, 8 * 2**i, 16) for i in range(4)}
    outputs = {f"fpn/c{2 + i}/output/kernel:0": (3, 3, 16, 16) for i in range(4)}
    assert shapes == {
        **laterals,
        **outputs,
        "rpn/conv/kernel:0": (3, 3, 16, 16),
        "rpn/logits/kernel:0": (1, 1, 16, 3),
        "rpn/deltas/kernel:0": (1, 1, 16, 12),
        "box/hidden1/kernel:0": (3 * 3 * 16, 64),
        "box/hidden2/kernel:0": (64, 64),
        "box/logits/kernel:0": (64, 4),
        "box/deltas/kernel:0": (64, 12),
    }
    assert not {v.ref() for v in head.variables} & {v.ref() for v in backbone.variables}


def test_a_pyramids_maps_are_laterals_with_the_enlarged_map_above():
    backbone = ResNet(10, width=8, stem="patch4")
    pyramid = fpn.FeaturePyramid(backbone, 4, 64, 3)
    stages = {
        name: tf.random.stateless_normal(
            [1, side, side, backbone.output[name].shape[-1]], [side, 0]
        )
        for name, side in (("c2", 15), ("c3", 8), ("c4", 4), ("c5", 2))  # of a side of 60
    }
    maps = pyramid(stages)
    assert [each.shape[1] for each in maps] == [15, 8, 4, 2, 1]
    weights = {v.name: v.numpy() for v in pyramid.variables}
    above = np.zeros([1, 1, 1, 4], np.float32)
    for name, ours in zip(("c5", "c4", "c3", "c2"), reversed(maps[:4])):
        lateral = stages[name].numpy() @ weights[f"fpn/{name}/lateral/kernel:0"][0, 0]
        above = above.repeat(2, axis=1).repeat(2, axis=2)
        above = lateral + (above[:, : lateral.shape[1], : lateral.shape[2]] if name != "c5" else 0)
        expected = tf.nn.conv2d(above, weights[f"fpn/{name}/output/kernel:0"], 1, "SAME")
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    np.testing.assert_array_equal(maps[4], maps[3][:, ::2, ::2])


def test_boxes_of_a_pyramid_go_to_the_level_of_their_size():
    """As the paper says: 224 pixels are level 4, half of it level 3, and the ends hold the rest."""
    backbone = ResNet(10, width=8, stem="patch4")
    pyramid = fpn.FeaturePyramid(backbone, 4, 1024, 1)
    marks = (2.0, 3.0, 4.0, 5.0)
    maps = [
        tf.fill([1, 1024 // 2**k, 1024 // 2**k, 4], mark) for k, mark in zip((2, 3, 4, 5), marks)
    ]
    sizes = np.float32([10, 111, 113, 223, 225, 447, 449, 1000]) / 1024
    boxes = np.stack([0 * sizes, 0 * sizes, sizes, sizes], axis=-1)[np.newaxis]
    with unittest.mock.patch.object(pyramid, "_hidden", lambda x: x):
        described = pyramid.describe(maps, tf.constant(boxes), training=False)
    np.testing.assert_allclose(described[:, 0], [2, 2, 3, 3, 4, 4, 5, 5])


def test_targets_of_a_pyramid_decode_to_the_true_boxes_and_all_of_it_learns(pyramid_models):
    _, head = pyramid_models
    with tf.GradientTape() as tape:
        outputs = head({**_stages(2), **TRUTH}, training=True)
        names = ("rpn_logits", "rpn_deltas", "box_logits", "box_deltas")
        loss = sum(tf.reduce_sum(outputs[name] ** 2) for name in names)
    gradients = tape.gradient(loss, head.trainable_variables)
    assert all(gradient is not None for gradient in gradients)
    _check_targets(outputs)


def test_a_pyramids_training_step_compiles_with_xla(pyramid_models):
    _, head = pyramid_models
    step = tf.function(lambda stages: head({**stages, **TRUTH}, training=True), jit_compile=True)
    outputs = step(_stages(2))
    _check_targets(outputs)
    assert np.isfinite(outputs["box_logits"]).all()
