"""COCO's files as a source; pycocotools counts what must come out."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from data_prep.sources.coco import make_source
from data_prep.sources.source import Reject, Row, SourceOptions
from revisit.data.records import KEYPOINTS
from revisit.errors import UserError

CATEGORIES = [
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    {"id": 1, "name": "person", "supercategory": "person"},
]
PERSON = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(KEYPOINTS)}
IMAGE = {"id": 7, "file_name": "7.jpg", "height": 50, "width": 100}


def make_object(**fields):
    basis = {"id": 3, "image_id": 7, "category_id": 18, "bbox": [10, 5, 40, 20], "area": 123.5}
    return {**basis, "iscrowd": 0, "segmentation": [[0, 0, 1, 1, 2, 2]], **fields}


def make_person(**fields):
    keypoints = [20, 10, 2, 30, 40, 1] + [0, 0, 0] * 15
    return make_object(category_id=1, keypoints=keypoints, num_keypoints=2, **fields)


@pytest.fixture
def read(tmp_path):
    """Writes files of annotations (name -> annotations) and gives their source."""

    def read(categories=CATEGORIES, images=(IMAGE,), **files):
        for name, annotations in files.items():
            content = {"images": list(images), "annotations": annotations}
            content["categories"] = categories if "keypoints" not in name else [PERSON]
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        manifest = ",".join(str(tmp_path / f"{name}.json") for name in files)
        return make_source(SourceOptions(manifest=manifest, images=str(tmp_path)))

    return read


def test_boxes_are_fractions_and_areas_are_the_outline_s(read):
    (row,) = read(instances_val2017=[make_object()]).rows()
    (found,) = row.annotations.objects
    assert found == ((0.1, 0.1, 0.5, 0.5), "18", 123.5, False, False)
    assert (row.id, row.split, row.positives) == ("7", "validation", (("18", 1.0),))
    assert row.annotations.size == (50, 100)


def test_classes_are_category_ids_under_their_supercategories(read):
    taxonomy = read(instances=[]).taxonomy
    assert taxonomy.names == ("1", "18", "90", "person", "animal", "indoor")
    assert taxonomy.titles == ("person", "dog", "toothbrush", "person", "animal", "indoor")
    assert taxonomy.ancestors(1) == (4,)


@pytest.mark.parametrize("nothing", ["", "none", None])
def test_a_category_without_a_supercategory_is_a_root(nothing, read):
    categories = [{"id": 0, "name": "cell", "supercategory": nothing}, {"id": 1, "name": "x"}]
    assert read(categories, instances=[]).taxonomy.roots() == (0, 1)


def test_a_crowd_is_kept_apart(read):
    outline = {"counts": [0, 5000], "size": [50, 100]}
    (row,) = read(instances=[make_object(iscrowd=1, segmentation=outline)]).rows()
    assert [each.is_crowd for each in row.annotations.objects] == [True]


def test_people_have_keypoints_at_the_centers_of_pixels(read):
    source = read(person_keypoints_train2017=[make_person()])
    (row,) = source.rows()
    (person,) = row.annotations.people
    assert person.keypoints[0] == (10.5 / 50, 20.5 / 100, 2)
    assert person.keypoints[1] == (40.5 / 50, 30.5 / 100, 1)
    assert set(person.keypoints[2:]) == {(0, 0, 0)}
    assert (row.split, row.positives) == ("train", (("1", 1.0),))
    assert (source.contents.objects, source.contents.people) == (False, True)


def test_objects_and_people_of_one_image_share_its_id_and_picture(read):
    source = read(instances_val2017=[make_object()], person_keypoints_val2017=[make_person()])
    objects, people = source.rows()
    assert (objects.id, objects.reference, objects.split) == (
        people.id, people.reference, people.split)  # fmt: skip
    assert (source.contents.objects, source.contents.people) == (True, True)


def test_an_image_without_objects_is_a_row(read):
    (row,) = read(instances=[]).rows()
    assert (row.positives, row.annotations.objects) == ((), ())


def test_images_lie_in_the_folder_of_their_split(read, tmp_path):
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017" / "7.jpg").write_bytes(b"pixels")
    source = pickle.loads(pickle.dumps(read(instances_val2017=[])))
    (row,) = source.rows()
    assert row.reference == "val2017/7.jpg"
    assert source.read(row).encoded == b"pixels"


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"bbox": [90, 5, 40, 20]}, "box outside the image: ymin, xmin, ymax, xmax are 0.1, 0.9"),
        ({"bbox": [10, 5, 0, 20]}, "empty box"),
        ({"bbox": [10, 5, 20]}, "bbox [10, 5, 20] is not x, y, width, height"),
        ({"bbox": None}, "bbox None is not x, y, width, height"),
        ({"bbox": ["10", 5, 20, 20]}, "bbox ['10', 5, 20, 20] is not x, y, width, height"),
        ({"category_id": 2}, "unknown category id 2"),
        ({"image_id": 8}, "annotation of an image that the file does not list"),
    ],
)
def test_an_object_that_can_t_be_used_is_a_reject_and_its_image_stays(fields, reason, read):
    entries = list(read(instances=[make_object(**fields), make_object(id=4)]).rows())
    (reject,) = [each for each in entries if isinstance(each, Reject)]
    assert reject.origin == "instances.json:annotation 3"
    assert reason in reject.reason
    (row,) = [each for each in entries if isinstance(each, Row)]
    assert len(row.annotations.objects) == 1


def test_an_annotation_without_a_box_is_a_reject(read):
    broken = make_object()
    del broken["bbox"]
    reject, _ = read(instances=[broken]).rows()
    assert reject == Reject("instances.json:annotation 3", "7", "annotation without 'bbox'")


@pytest.mark.parametrize(
    "keypoints, reason",
    [
        ([1, 1, 2] * 14, "keypoints of another skeleton: 42 numbers, COCO's are 17 x 3"),
        ([101, 1, 2] * 17, "keypoint outside the image: x 101, y 1"),
    ],
)
def test_bad_keypoints_are_a_reject(keypoints, reason, read):
    person = {**make_person(), "keypoints": keypoints}
    reject, row = read(person_keypoints=[person]).rows()
    assert reject.reason == reason
    assert row.annotations.people == ()


@pytest.mark.parametrize(
    "image, reason",
    [
        ({"id": 7, "file_name": "7.jpg"}, "image without 'height'"),
        ({**IMAGE, "file_name": "../7.jpg"}, "leaves the folder of images"),
    ],
)
def test_an_image_that_can_t_be_used_is_a_reject(image, reason, read):
    (reject,) = read(images=[image], instances=[make_object()]).rows()
    assert reject.origin == "instances.json:image 7"
    assert reason in reject.reason


NOT_COCO = {
    "[1, 2]": "captions.json is not a JSON object",
    '{"images": [3], "categories": []}': r"images\[0\] is not an object: not COCO's form",
    '{"images": [], "categories": [{"id": 1}]}': r"categories\[0\] is not .* with id and name",
    '{"images": [], "categories": [], "annotations": null}': "has no list 'annotations'",
    '{"images": [], "categories": [], "annotations": [7]}': r"annotations\[0\] is not an object",
}


def test_files_that_are_not_coco_s_boxes_are_one_clear_line(read, tmp_path):
    (tmp_path / "captions.json").write_text('{"images": [], "annotations": []}')
    options = SourceOptions(manifest=str(tmp_path / "captions.json"), images=str(tmp_path))
    with pytest.raises(UserError, match="captions.json has no list 'categories': "):
        make_source(options)
    for content, words in NOT_COCO.items():
        (tmp_path / "captions.json").write_text(content)
        with pytest.raises(UserError, match=words):
            make_source(options)
    (tmp_path / "captions.json").write_text("{")
    with pytest.raises(UserError, match="captions.json can't be read as JSON"):
        make_source(options)
    with pytest.raises(UserError, match="needs --manifest=FILES .* and --images=FOLDER"):
        make_source(options._replace(images=""))
    with pytest.raises(UserError, match="--images='/nowhere' is not a folder: check the path"):
        make_source(options._replace(images="/nowhere"))
    with pytest.raises(UserError, match="category 1 is 'person', in another file 'cat'"):
        read([{"id": 1, "name": "cat"}], instances=[], person_keypoints=[])


def test_another_skeleton_is_one_clear_line(shared_data):
    path = shared_data("07_coco-keypoints-mmpose", "crowdpose", "test_crowdpose.json")
    with pytest.raises(UserError, match=r"'person' has 14 keypoints \(left_shoulder, .*COCO's 17"):
        make_source(SourceOptions(manifest=str(path), images=str(path.parent)))


def read_mini(shared_data):
    root = shared_data("04_coco2017-mini")
    manifest = f"{root}/annotations/{{instances,person_keypoints}}_{{train,val}}2017.json"
    return root, make_source(SourceOptions(manifest=manifest, images=str(root)))


def check_against_pycocotools(rows, reference, group):
    """The rows hold the reference's images, and of each all annotations in order."""
    assert [row.id for row in rows] == [str(id_) for id_ in reference.imgs]
    for row in rows:
        image, wanted = reference.imgs[int(row.id)], reference.imgToAnns[int(row.id)]
        found = getattr(row.annotations, group)
        ymin, xmin, ymax, xmax = np.array([each.box for each in found]).reshape(-1, 4).T
        boxes = np.stack([xmin, ymin, xmax - xmin, ymax - ymin], -1)
        boxes *= np.array([image["width"], image["height"]] * 2)
        expected = np.array([each["bbox"] for each in wanted]).reshape(-1, 4)
        np.testing.assert_allclose(boxes, expected, atol=1e-9)
        assert [(each.area, each.is_crowd) for each in found] == [
            (each["area"], each["iscrowd"]) for each in wanted
        ]


@pytest.mark.parametrize("group, kind", [("objects", "instances"), ("people", "person_keypoints")])
def test_the_real_minis_hold_what_pycocotools_reads(group, kind, shared_data):
    root, source = read_mini(shared_data)
    rows = [row for row in source.rows() if row.origin.startswith(kind)]
    for split, year in (("train", "train2017"), ("validation", "val2017")):
        reference = COCO(root / "annotations" / f"{kind}_{year}.json")
        of_split = [row for row in rows if row.split == split]
        check_against_pycocotools(of_split, reference, group)


def test_the_real_minis_counts(shared_data):
    _, source = read_mini(shared_data)
    rows = list(source.rows())
    assert not any(isinstance(row, Reject) for row in rows)
    counts = {
        split: (
            sum(len(row.annotations.objects) for row in rows if row.split == split),
            sum(len(row.annotations.people) for row in rows if row.split == split),
            len(
                {
                    name
                    for row in rows
                    if row.split == split and row.annotations.objects
                    for name, _ in row.positives
                }
            ),  # fmt: skip
        )
        for split in ("train", "validation")
    }
    assert counts == {"train": (739, 172, 80), "validation": (624, 118, 78)}
    assert sum(each.is_crowd for row in rows for each in row.annotations.objects) == 13
    people = [each for row in rows for each in row.annotations.people]
    assert sum(any(v > 0 for _, _, v in each.keypoints) for each in people) == 154


def test_real_pictures_have_the_size_of_their_annotations(shared_data):
    _, source = read_mini(shared_data)
    for row in list(source.rows())[::40]:
        image = Image.open(io.BytesIO(source.read(row).encoded))
        assert (image.height, image.width) == row.annotations.size
