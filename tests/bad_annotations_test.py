"""Whole builds of COCO's and PASCAL VOC's forms with what is wrong in downloaded copies of them."""

import csv
import json
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

from data_prep.sources.source import SourceOptions
from revisit.data.records import read_dataset

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def draw(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (40, 30), "teal").save(folder / name)


def annotation(id_, image_id, box=(1, 2, 10, 20), category=1):
    return {"id": id_, "image_id": image_id, "bbox": box, "category_id": category, "area": 200}


@pytest.fixture
def coco(tmp_path):
    draw(tmp_path / "photos", "1.jpg", "2.jpg", "4.jpg", "5.jpg")
    images = [
        {"id": id_, "file_name": f"{id_}.jpg", "height": height, "width": 40}
        for id_, height in ((1, 30), (2, 60), (3, 30), (4, 30), (5, 30))
    ]
    annotations = [annotation(10, 1), annotation(11, 1, category=9), annotation(12, 2)]
    annotations += [annotation(13, 3), annotation(14, 77), annotation(15, 4, box=(1, 2))]
    annotations += [annotation(16, 4, box=(38, 2, 10, 20)), {**annotation(17, 4), "iscrowd": 1}]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "instances_train.json").write_text(json.dumps(content))
    return SourceOptions(
        manifest=str(tmp_path / "instances_train.json"), images=str(tmp_path / "photos")
    )


VOC_XML = """<annotation><filename>{name}.jpg</filename>
<size><width>40</width><height>{height}</height><depth>3</depth></size>
<object><name>dog</name><bndbox><xmin>{xmin}</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax>
</bndbox></object></annotation>"""


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOC2012"
    draw(root / "JPEGImages", *(f"{name}.jpg" for name in ("good", "broken", "small", "word")))
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name, height, xmin in (("good", 30, 1), ("small", 60, 1), ("word", 30, "one")):
        text = VOC_XML.format(name=name, height=height, xmin=xmin)
        (root / "Annotations" / f"{name}.xml").write_text(text)
    (root / "Annotations" / "broken.xml").write_text("<annotation>")
    (root / "ImageSets" / "Main" / "train.txt").write_text("good\nbroken\nsmall\nword\nnowhere\n")
    return SourceOptions(manifest=str(root / "ImageSets" / "Main" / "train.txt"))


def build(source_name, source, out, *flags):
    command = [sys.executable, "-m", "data_prep.build", f"--source={source_name}"]
    return subprocess.run(
        [*command, f"--manifest={source.manifest}", f"--images={source.images}", f"--out={out}"]
        + ["--num_processes=1", *flags],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )


def rejects_of(source_name, source, out):
    finished = build(source_name, source, out, "--max_bad_fraction=1")
    assert finished.returncode == 0, finished.stderr
    with (out / "rejects.csv").open() as file:
        return {row["origin"]: row["reason"] for row in csv.DictReader(file)}


def test_each_fault_of_a_coco_file_is_a_reject_that_names_it(coco, tmp_path):
    rejects = rejects_of("coco", coco, tmp_path / "data")
    dataset = read_dataset(tmp_path / "data")
    assert dataset.num_examples("train") == 3  # that of image 5 is empty
    assert dataset.metadata["num_objects"] == {"train": 2}  # one of them is a crowd
    name = "instances_train.json"
    words = {
        f"{name}:annotation 11": "unknown category id 9",
        f"{name}:image 2": "the image is 40x30 pixels, its annotation says 40x60",
        f"{name}:image 3": "3.jpg: No such file or directory",
        f"{name}:annotation 14": "annotation of an image that the file does not list",
        f"{name}:annotation 15": "is not x, y, width, height",
        f"{name}:annotation 16": "box outside the image: ymin, xmin, ymax, xmax are",
    }
    assert rejects.keys() == words.keys()
    assert {origin: words[origin] in reason for origin, reason in rejects.items()} == dict.fromkeys(
        words, True
    ), rejects


def test_each_fault_of_a_voc_folder_is_a_reject_that_names_it(voc, tmp_path):
    rejects = rejects_of("voc", voc, tmp_path / "data")
    assert read_dataset(tmp_path / "data").metadata["num_objects"] == {"train": 1}
    reasons = "\n".join(rejects.values())
    assert len(rejects) == 4, rejects
    assert "the image is 40x30 pixels, its annotation says 40x60" in reasons
    assert "nowhere.xml" in reasons


def test_a_mask_of_another_size_than_its_image_is_a_reject(voc, tmp_path):
    root = tmp_path / "VOC2012"
    draw(root / "SegmentationClass")
    for name, size in (("good", (40, 30)), ("word", (30, 40))):
        (root / "Annotations" / f"{name}.xml").write_text(
            VOC_XML.format(name=name, height=30, xmin=1)
        )
        Image.new("P", size).save(root / "SegmentationClass" / f"{name}.png")
    (root / "ImageSets" / "Segmentation").mkdir()
    image_set = root / "ImageSets" / "Segmentation" / "train.txt"
    image_set.write_text("good\nword\n")
    (reason,) = rejects_of("voc", voc._replace(manifest=str(image_set)), tmp_path / "data").values()
    assert reason.endswith("word.png is a mask of 30x40 pixels, its annotation says 40x30")


def test_keypoints_of_another_skeleton_end_the_command_with_one_line(coco, tmp_path):
    names = ["nose", "tail"]
    person = {"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2]]}
    path = tmp_path / "person_keypoints_train.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": [person]}))
    finished = build("coco", coco._replace(manifest=str(path)), tmp_path / "data")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "'person' has 2 keypoints (nose, tail, ...): only COCO's 17" in finished.stderr


def test_each_fault_of_voc_s_masks_is_a_reject_that_names_it(voc, tmp_path):
    root = pathlib.Path(voc.manifest).parents[2]
    names = ("good", "other_size", "in_colors", "cut_off", "maskless", "no_picture")
    draw(root / "SegmentationClass")
    for name in names:
        text = VOC_XML.format(name=name, height=30, xmin=1)
        (root / "Annotations" / f"{name}.xml").write_text(text)
        Image.new("RGB", (40, 30), "teal").save(root / "JPEGImages" / f"{name}.jpg")
        Image.new("L", (40, 30), 12).save(root / "SegmentationClass" / f"{name}.png")
    masks = {name: root / "SegmentationClass" / f"{name}.png" for name in names}
    Image.new("L", (30, 40), 12).save(masks["other_size"])
    Image.new("RGB", (40, 30)).save(masks["in_colors"])
    masks["cut_off"].write_bytes(masks["good"].read_bytes()[:50])
    masks["maskless"].unlink()
    (root / "JPEGImages" / "no_picture.jpg").unlink()
    (root / "ImageSets" / "Segmentation").mkdir()
    path = root / "ImageSets" / "Segmentation" / "val.txt"
    path.write_text("".join(f"{name}\n" for name in names))
    rejects = rejects_of("voc", SourceOptions(manifest=str(path)), tmp_path / "data")
    assert read_dataset(tmp_path / "data").num_examples("validation") == 1
    words = (
        "a mask of 30x40 pixels, its annotation says 40x30",
        "a mask in RGB",
        "can't be decoded",
    )
    words += ("maskless.png: No such file", "no_picture.jpg: No such file")
    assert rejects.keys() == {f"val.txt:{line}" for line in range(2, 7)}
    for line, word in enumerate(words, 2):
        assert word in rejects[f"val.txt:{line}"]


def test_too_many_faults_end_the_command_with_status_1_and_their_number(coco, tmp_path):
    finished = build("coco", coco, tmp_path / "data")
    assert finished.returncode == 1
    assert "6 of 9 rows were rejected, more than --max_bad_fraction=0.01" in finished.stderr
    assert "Traceback" not in finished.stderr
