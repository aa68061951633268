"""How quickly, and in how much memory, data_prep makes records of photographs.

    python -m benchmarks.prep_speed [--photographs=DIR]

One core: reading, checking and writing full-size JPEGs against decoding them alone, with Pillow and
with TensorFlow. The whole command: against a Beam builder of TensorFlow Datasets that checks and
writes the same pictures, in one process and with as many as ours. Memory: the largest sum of all
processes of a build, of 10,000 and of 100,000 rows. Labels: what a record takes for them. Without
--photographs it makes its own, 500 x 375 pixels.
"""

import glob
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import app, flags
from PIL import Image

from benchmarks import table
from data_prep import shards, sorting
from data_prep.labels import close_labels
from data_prep.sources.manifest import make_source
from data_prep.sources.source import Row, SourceOptions
from revisit.data import records
from revisit.data.records import Contents

_PHOTOGRAPHS = flags.DEFINE_string("photographs", "", "folder of JPEGs; makes its own if empty")
_NUM_SELF_MADE = 50
_NUM_ROWS = 3000  # of the whole command
_NUM_TINY = (10_000, 100_000)  # rows whose memory is compared
_NUM_CLASSES = 18_291  # the paper's, of JFT
_CORES = len(os.sched_getaffinity(0))


def _make_photographs() -> list[bytes]:
    """Smooth shapes with grain: 500 x 375 pixels and about 60 KB, as photographs on the web."""
    generator = np.random.default_rng(0)
    pictures = []
    for _ in range(_NUM_SELF_MADE):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.float32)
        grained = smooth + generator.normal(0, 12, smooth.shape)
        encoded = io.BytesIO()
        Image.fromarray(grained.clip(0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=90)
        pictures.append(encoded.getvalue())
    return pictures


def _read_photographs(folder: str) -> list[bytes]:
    paths = sorted(glob.glob(f"{folder}/*.[jJ][pP]*[gG]"))
    return [pathlib.Path(path).read_bytes() for path in paths]


def _write_folder(directory: str, pictures: Sequence[bytes], num_rows: int) -> str:
    """A folder of pictures and a manifest of `num_rows` rows of them."""
    root = pathlib.Path(directory)
    root.mkdir()
    for number, picture in enumerate(pictures):
        (root / f"{number}.jpg").write_bytes(picture)
    rows = (f"{n:08d},{n % len(pictures)}.jpg,c{n % 97};d{n % 89}" for n in range(num_rows))
    (root / "labels.csv").write_text("\n".join(["id,path,labels", *rows]) + "\n")
    return directory


def _make_distinct(pictures: Sequence[bytes], number: int) -> list[bytes]:
    """Random parts of the pictures, four fifths as wide and high, all of them different."""
    generator, parts = np.random.default_rng(0), []
    for place in range(number):
        with Image.open(io.BytesIO(pictures[place % len(pictures)])) as image:
            width, height = (side * 4 // 5 for side in image.size)
            left = int(generator.integers(image.width - width + 1))
            top = int(generator.integers(image.height - height + 1))
            encoded = io.BytesIO()
            image.crop((left, top, left + width, top + height)).save(encoded, "JPEG", quality=90)
            parts.append(encoded.getvalue())
    return parts


def _tensorflow_decoder() -> Callable[[bytes], object]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    decoder: Callable[[bytes], object] = tf.io.decode_jpeg
    return decoder


def _compare_decoding(pictures: Sequence[bytes], directory: str) -> None:
    source = make_source(
        SourceOptions(manifest=f"{_write_folder(directory, pictures, len(pictures))}/labels.csv")
    )
    rows = [row for row in source.rows() if isinstance(row, Row)]
    examples = [shards.Example(0, "train", row, close_labels(row, source.taxonomy)) for row in rows]
    key = shards.ShardKey("train", 0, 1)
    (pathlib.Path(directory) / shards.BUILD_DIRECTORY).mkdir()
    path = sorting.write_items(examples, directory, "examples")

    def prepare() -> None:
        shards.report_path(directory, key).unlink(missing_ok=True)
        # No build replaces a shard, which takes longer: some file systems then flush it at once.
        pathlib.Path(directory, key.name).unlink(missing_ok=True)
        shards.write_shard(key, [path], source, directory)

    decode = _tensorflow_decoder()
    ours, pillow, tensorflow = table.median_seconds(
        [
            prepare,
            lambda: [Image.open(io.BytesIO(picture)).load() for picture in pictures],
            lambda: [decode(picture) for picture in pictures],
        ],
        repeats=7,
    )
    for name, seconds in (("Pillow", pillow), ("TensorFlow", tensorflow)):
        rates = [len(pictures) / each for each in (ours, seconds)]
        what = f"prepared on one core, decoding alone ({name}), images/s"
        table.row(what, f"{rates[0]:.0f}", f"{rates[1]:.0f}", rates[0] / rates[1], ">= 0.8")


def _tree(process: int) -> Iterator[int]:
    yield process
    for children in glob.glob(f"/proc/{process}/task/*/children"):
        try:
            for child in pathlib.Path(children).read_text().split():
                yield from _tree(int(child))
        except OSError:
            continue


def _resident(process: int) -> int:
    """Bytes that a process keeps in memory, what it shares divided among those that share it."""
    try:
        lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _run(arguments: Sequence[str], **environment: str) -> tuple[float, int]:
    """Seconds that a command takes, and the most bytes that it and its children held."""
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        peak = max(peak, sum(map(_resident, _tree(process.pid))))
        time.sleep(0.25)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(arguments))
    return time.perf_counter() - began, peak


def _build(folder: str, out: str) -> tuple[float, int]:
    return _run(["-m", "data_prep.build", f"--manifest={folder}/labels.csv", f"--out={out}"])


_TFDS = """
import sys
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from benchmarks.tfds_photographs import Photographs
options = PipelineOptions(direct_running_mode=sys.argv[2], direct_num_workers=int(sys.argv[3]))
config = tfds.download.DownloadConfig(beam_options=options)
Photographs(data_dir=sys.argv[1]).download_and_prepare(download_config=config)
"""


def _compare_tfds(pictures: Sequence[bytes], directory: str) -> None:
    folder = _write_folder(directory, _make_distinct(pictures, _NUM_ROWS), _NUM_ROWS)
    ours, _ = _build(folder, f"{directory}/ours")
    for mode, workers in (("in_memory", 1), ("multi_processing", _CORES)):
        arguments = ["-c", _TFDS, f"{directory}/{mode}", mode, str(workers)]
        theirs, _ = _run(arguments, REVISIT_PHOTOGRAPHS=folder)
        rates = [_NUM_ROWS / each for each in (ours, theirs)]
        what = f"whole command ({_CORES} processes), TFDS' ({mode}), images/s"
        table.row(what, f"{rates[0]:.0f}", f"{rates[1]:.0f}", rates[0] / rates[1], ">= 1")


def _make_tiny(number: int) -> list[bytes]:
    """Pictures of 8 x 8 random pixels: equal ones would measure how duplicates are found."""
    generator, pictures = np.random.default_rng(0), []
    for _ in range(number):
        encoded = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8)).save(encoded, "JPEG")
        pictures.append(encoded.getvalue())
    return pictures


def _compare_memory(directory: str) -> None:
    seconds_and_peaks = []
    for num_rows in _NUM_TINY:
        folder = _write_folder(f"{directory}-{num_rows}", _make_tiny(num_rows), num_rows)
        seconds_and_peaks.append(_build(folder, f"{folder}/out"))
    (_, few), (_, many) = seconds_and_peaks
    what = "memory of a build, 100,000 and 10,000 rows, MiB"
    table.row(what, f"{many >> 20}", f"{few >> 20}", many / few, "<= 1.25")


def _measure_labels() -> None:
    """What is left of a record without id and image, names of the fields included."""
    import tensorflow as tf

    ids = np.sort(np.random.default_rng(0).choice(_NUM_CLASSES, 30, replace=False))
    labels = {"leaf": ids[:5], "positive": ids, "confidence": [0.9] * 30, "negative": ()}
    record = records.encode_record({"id": "", "image": b"", "labels": labels}, Contents())
    example = tf.train.Example.FromString(record)
    for name in ("id", "image"):
        del example.features.feature[name]
    what = f"5 labels with confidences closed to 30 of {_NUM_CLASSES:,}, bytes"
    table.row(what, f"{example.ByteSize()}", "200", example.ByteSize() / 200, "<= 1")


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    del argv
    folder = _PHOTOGRAPHS.value
    pictures = _read_photographs(folder) if folder else _make_photographs()
    table.header("data_prep on photographs")
    _measure_labels()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TMPDIR"] = scratch  # where TFDS' builder leaves what Beam leaves behind
        _compare_decoding(pictures, f"{scratch}/one_core")
        _compare_tfds(pictures, f"{scratch}/command")
        _compare_memory(f"{scratch}/tiny")


if __name__ == "__main__":
    app.run(main)
