import hashlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from apache_beam.runners.portability import prism_runner
from PIL import Image

from data_prep import builder
from data_prep import directory as directory_lib
from data_prep.pipeline import PlanOptions, WriteDuplicates
from data_prep.report import Done
from data_prep.shards import ShardReport, report_path, shard_keys
from data_prep.sources.source import Reject, SourceOptions
from revisit.data import records
from revisit.errors import UserError

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
NUM_IMAGES = 120


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of images, a manifest and a taxonomy."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    lines = ["path,labels"]
    for number in range(NUM_IMAGES):
        pixels = generator.integers(0, 256, (16, 24, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{('dog', 'cat', 'rock;dog:0.5')[number % 3]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "classes.yaml").write_text("animal: [dog, cat]\nthing: [rock]\n")
    return folder


def arguments(photos, out, *more):
    return [
        f"--manifest={photos}/labels.csv",
        f"--taxonomy={photos}/classes.yaml",
        f"--out={out}",
        "--examples_per_shard=20",
        *more,
    ]


def command(*given):
    return [sys.executable, "-m", "data_prep.build", *given]


def build(*given):
    return subprocess.run(command(*given), cwd=REPOSITORY, capture_output=True, text=True)


def error_line(*given):
    """The one line on stderr of a build that must end with status 1."""
    finished = build(*given)
    progress = re.compile(" images/s, |^reading rows")
    lines = [line for line in finished.stderr.splitlines() if not progress.search(line)]
    assert finished.returncode == 1, finished.stderr
    assert len(lines) == 1, finished.stderr
    return lines[0]


def digests(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in pathlib.Path(directory).rglob("*")
        if path.is_file() and path.stem != "report"  # which tells the time that it took
    }


@pytest.fixture(scope="module")
def built(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "data"
    finished = build(*arguments(photos, out))
    assert finished.returncode == 0, finished.stderr
    return out, finished.stdout


def test_it_ends_with_a_table(built):
    _, table = built
    assert "labels an image" in table
    assert "rejects                         none" in table


def test_the_directory_holds_what_a_data_set_is(built):
    out, _ = built
    others = {path.name for path in out.iterdir() if "tfrecord" not in path.name}
    names = ("dataset_info", "features", "metadata", "plan", "taxonomy")
    assert others == {
        *(f"{name}.json" for name in (*names, "report")),
        "report.html",
        "rejects.csv",
        "duplicates.csv",
        "thumbnails",
    }


def test_metadata_counts_closed_labels(built, photos):
    dataset = records.read_dataset(built[0])
    total = np.sum(list(dataset.metadata["positive_counts"].values()), axis=0)
    counts = dict(zip(dataset.taxonomy.names, total.tolist()))
    assert counts == {"animal": 120, "dog": 80, "cat": 40, "thing": 40, "rock": 40}
    assert dataset.metadata["max_positives"] == 4
    assert dataset.metadata["max_negatives"] == 0
    assert dataset.metadata["single_label"] is False
    assert (dataset.metadata["source"], dataset.metadata["seed"]) == ("manifest", 0)
    assert sum(map(dataset.num_examples, dataset.shards)) == NUM_IMAGES


def test_images_are_stored_byte_for_byte(built, photos):
    dataset = records.read_dataset(built[0])
    paths = [shard.path for shards in dataset.shards.values() for shard in shards]
    found = [records.parse_record(one, dataset.contents) for one in tf.data.TFRecordDataset(paths)]
    assert len(found) == NUM_IMAGES
    for record in found:
        name = record["id"].numpy().decode()
        assert record["image"].numpy() == (photos / name).read_bytes()


def test_tfds_reads_it_and_a_slice_is_a_prefix(built):
    builder = tfds.builder_from_directory(str(built[0]))
    in_order = tfds.ReadConfig(interleave_cycle_length=1)

    def read(split):
        dataset = builder.as_dataset(split=split, read_config=in_order)
        return [(one["id"].numpy(), one["image"].shape) for one in dataset]

    whole = read("train")
    assert 0 < len(whole) < NUM_IMAGES
    assert whole[0][1] == (16, 24, 3)
    assert read("train[:25%]") == whole[: round(len(whole) / 4)]


@pytest.mark.parametrize(
    "flags",
    [
        ["--num_processes=1"],
        ["--num_processes=3"],
        ["--runner=DirectRunner", "--direct_running_mode=in_memory"],
        ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
        ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"],
    ],
)
def test_the_bytes_are_the_same_whatever_runs_it(flags, built, photos, tmp_path):
    finished = build(*arguments(photos, tmp_path / "data", *flags))
    assert finished.returncode == 0, finished.stderr
    assert digests(tmp_path / "data") == digests(built[0])


def test_no_other_runner_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(prism_runner, "PrismRunner", lambda: pytest.fail("Beam would fetch Prism"))
    (tmp_path / ".build").mkdir()
    builder.run_pipeline(WriteDuplicates([], str(tmp_path), 0), {})
    assert directory_lib.read_found(str(tmp_path), "pairs") == []


def test_another_seed_is_another_order(built, photos, tmp_path):
    build(*arguments(photos, tmp_path / "data", "--seed=1"))
    ours = digests(tmp_path / "data")
    assert ours.keys() == digests(built[0]).keys()
    assert not {name for name, digest in ours.items() if "train" in name} & {
        name for name, digest in digests(built[0]).items() if ours.get(name) == digest
    }


def test_a_rerun_of_a_finished_build_changes_nothing(built, photos):
    before = {path.name: path.stat().st_mtime_ns for path in built[0].iterdir()}
    finished = build(*arguments(photos, built[0]))
    assert finished.returncode == 0
    after = {path.name: path.stat().st_mtime_ns for path in built[0].iterdir()}
    assert {name for name in after if after[name] != before[name]} == set()


def test_killed_in_the_middle_a_rerun_makes_the_same_bytes(photos, built, tmp_path):
    out = tmp_path / "data"
    pipe = photos / "7.png"
    content = pipe.read_bytes()
    pipe.unlink()
    os.mkfifo(pipe)  # who reads this image waits: the kill comes in the middle of its shard
    try:
        given = arguments(photos, out, "--num_processes=2")
        process = subprocess.Popen(command(*given), cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not list(out.glob(f".build/{records.NAME}*.json")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        pipe.unlink()
        pipe.write_bytes(content)
    with pytest.raises(UserError, match="half-built"):
        records.read_dataset(out)
    finished = build(*arguments(photos, out))
    assert finished.returncode == 0, finished.stderr
    assert digests(out) == digests(built[0])


def kill_when(there, *given):
    """Kills a build, workers and all, as soon as `there()`; whether it was still running."""
    process = subprocess.Popen(
        command(*given), cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not there():
        time.sleep(0.002)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


@pytest.mark.slow
def test_killed_at_any_moment_a_rerun_makes_the_same_bytes(photos, built, tmp_path):
    out = tmp_path / "data"
    given = arguments(photos, out, "--num_processes=2")
    moments = {
        "planned": lambda: (out / "plan.json").exists(),
        "sorting": lambda: any((out / ".build" / "sorting").glob("run-*")),
        "merging": lambda: any((out / ".build" / "sorting").glob("examples-*")),
        "merged": lambda: (out / ".build" / "counts.json").exists(),
        "writing a shard": lambda: any(out.glob(".build/*.tfrecord-*")),
        "writing the third": lambda: len(list(out.glob("*.tfrecord-*"))) > 2,
        "looking for duplicates": lambda: (out / "rejects.csv").exists(),
        "listing duplicates": lambda: (out / ".build" / "pairs.json").exists(),
        "drawing the report": lambda: (out / "report.json").exists(),
    }
    for moment, there in moments.items():
        assert kill_when(there, *given), moment
        with pytest.raises(UserError, match="half-built"):
            records.read_dataset(out)
    finished = build(*given)
    assert finished.returncode == 0, finished.stderr
    assert digests(out) == digests(built[0])
    assert (out / "report.html").exists()


@pytest.fixture
def disk(tmp_path):
    """A folder that is a disk of its own, of 700 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", folder], stderr=subprocess.DEVNULL
    )
    if mounted.returncode:
        pytest.skip("needs to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def resize(disk, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def test_on_a_full_disk_it_says_so_and_goes_on_when_there_is_room(photos, built, disk):
    given = arguments(photos, disk / "data", "--num_processes=1")
    line = error_line(*given)
    assert f"no space is left on the disk of --out={disk / 'data'}: make room" in line
    resize(disk, "64m")
    finished = build(*given)
    assert finished.returncode == 0, finished.stderr
    assert digests(disk / "data") == digests(built[0])


def find_mistake(options):
    """The words of the UserError that a build in this process ends with; "" if it is whole."""
    try:
        builder.build(options, {})
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_whenever_the_disk_is_full_it_says_so_and_goes_on(photos, disk, tmp_path):
    (tmp_path / "labels.csv").write_text("path,labels\n0.png,dog\n1.png,cat\n")
    source = SourceOptions(manifest=str(tmp_path / "labels.csv"), images=str(photos))
    options = builder.BuildOptions("manifest", source, str(tmp_path / "data"), PlanOptions(), 0, 1)
    builder.build(options, {})
    out = disk / "data"
    last_files = set()
    for num_pages in itertools.count(2):  # each file takes at least one
        resize(disk, f"{4 * num_pages}k")
        mistake = find_mistake(options._replace(out=str(out)))
        if not mistake:
            break
        assert "no space is left on the disk of --out=" in mistake
        newest = max(out.rglob("*"), key=lambda path: (path.stat().st_mtime_ns, path.is_file()))
        last_files.add(newest.name.partition(".")[0].partition("-")[0])
    assert {"run", "examples", "revisit", "pairs", "duplicates", "report"} <= last_files
    assert digests(out) == digests(tmp_path / "data")


def test_a_file_that_may_not_grow_is_explained_too(photos, tmp_path):
    given = command(*arguments(photos, tmp_path / "data", "--num_processes=2"))
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 16; exec "$@"', "_", *given],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert limited.returncode == 1
    assert "no space is left on the disk of --out=" in limited.stderr
    assert "Traceback" not in limited.stderr


def spoil(photos, folder, count):
    """The same photos, of which the first `count` are empty files."""
    folder.mkdir()
    for path in photos.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for number in range(count):
        (folder / f"{number}.png").write_bytes(b"")
    return folder


def test_few_bad_images_are_rejects_that_name_the_line(photos, tmp_path):
    bad = spoil(photos, tmp_path / "bad", 1)
    finished = build(*arguments(bad, tmp_path / "data"))
    assert finished.returncode == 0, finished.stderr
    rejects = (tmp_path / "data" / "rejects.csv").read_text()
    assert rejects == "origin,id,reason\nlabels.csv:2,0.png,empty file\n"
    dataset = records.read_dataset(tmp_path / "data")
    assert sum(map(dataset.num_examples, dataset.shards)) == NUM_IMAGES - 1


def test_many_bad_images_fail_the_build_and_mended_ones_finish_it(photos, built, tmp_path):
    bad = spoil(photos, tmp_path / "bad", 12)
    line = error_line(*arguments(bad, tmp_path / "data"))
    assert "12 of 120 rows were rejected, more than --max_bad_fraction=0.01" in line
    assert (
        f"(12 like labels.csv:2: empty file): mend what {tmp_path}/data/rejects.csv lists" in line
    )
    _, *rows = (tmp_path / "data" / "rejects.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == [f"labels.csv:{line}" for line in range(2, 14)]
    for number in range(12):
        (bad / f"{number}.png").write_bytes((photos / f"{number}.png").read_bytes())
    assert build(*arguments(bad, tmp_path / "data")).returncode == 0
    ours, theirs = digests(tmp_path / "data"), digests(built[0])
    assert ours.pop("plan.json") != theirs.pop("plan.json")  # it names the folder of images
    assert ours == theirs


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--out="], "--out is missing"),
        (["--manifest="], "--source=manifest needs --manifest=FILE"),
        (["--manifest=/nowhere.csv"], "no file at '/nowhere.csv'"),
        (["--images=/nowhere"], "--images='/nowhere' is not a folder"),
        (["--taxonomy=/nowhere.yaml"], "no file at '/nowhere.yaml'"),
        (["--out=/dev/null/data"], "--out=/dev/null/data can't be made"),
    ],
)
def test_a_user_s_mistake_is_one_line(flags, words, photos, tmp_path):
    assert words in error_line(*arguments(photos, tmp_path / "data", *flags))


def test_another_data_set_is_never_mixed_in(built, photos):
    line = error_line(*arguments(photos, built[0], "--seed=1"))
    assert "holds another data set (seed 0 there, 1 here): give an empty directory" in line


def test_a_directory_of_something_else_is_left_alone(photos, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    assert "is not an empty directory" in error_line(*arguments(photos, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_flag_that_nobody_knows_is_status_2(photos, tmp_path):
    finished = build(*arguments(photos, tmp_path / "data", "--sed=1"))
    assert finished.returncode == 2
    assert "'sed'" in finished.stderr


def test_images_of_a_former_run_are_not_counted_as_this_one_s(tmp_path):
    out = str(tmp_path / "data")
    directory_lib.begin(out, {})
    keys = shard_keys({"train": 30}, 10)
    report = ShardReport(num_examples=10)
    report_path(out, keys[0]).write_text(report.to_json())
    spoilt = ShardReport(num_examples=9, rejects=[Reject("labels.csv:2", "1.png", "empty file")])
    report_path(out, keys[1]).write_text(spoilt.to_json())
    measure = builder._Measure(out, 10)
    assert measure() == Done(before=0, now=0, wanted=0)
    (tmp_path / "data" / ".build" / "counts.json").write_text('{"train": 30}')
    assert measure() == Done(before=10, now=0, wanted=30)
    report_path(out, keys[1]).write_text(spoilt.to_json())
    assert measure() == Done(before=10, now=10, wanted=30)


def test_what_a_stopped_run_left_is_tidied_up(tmp_path):
    out = str(tmp_path / "data")
    assert directory_lib.begin(out, {"seed": 0})
    assert directory_lib.begin(out, {"seed": 0})
    assert directory_lib.read_counts(out) == {}
    (tmp_path / "data" / "dataset_info.json").write_text("{}")
    assert not directory_lib.begin(out, {"seed": 0})
    assert not (tmp_path / "data" / ".build").exists()
