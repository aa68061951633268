"""What TensorFlow Datasets offers for the same job: a builder whose Beam pipeline writes."""

import csv
import io
import os
from typing import Any

import apache_beam as beam
import tensorflow_datasets as tfds
from PIL import Image


def _example(row: tuple[str, str, str], folder: str) -> tuple[str, dict[str, Any]]:
    id_, path, labels = row
    with open(os.path.join(folder, path), "rb") as file:
        encoded = file.read()
    Image.open(io.BytesIO(encoded)).load()  # a broken one stops the build
    return id_, {"id": id_, "image": encoded, "labels": labels.split(";")}


class Photographs(tfds.core.BeamBasedBuilder):
    """The rows of labels.csv (id, path, labels) in the folder that the environment names."""

    code_path = None  # TFDS would look for its own metadata files beside this one
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(encoding_format="jpeg"),
            "labels": tfds.features.Sequence(tfds.features.Text()),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any, pipeline: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(os.environ["REVISIT_PHOTOGRAPHS"])}

    def _generate_examples(self, folder: str) -> Any:
        with open(os.path.join(folder, "labels.csv"), newline="") as file:
            rows = [tuple(row) for row in csv.reader(file)][1:]
        return beam.Create(rows) | beam.Map(_example, folder)
