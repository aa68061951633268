"""Asks an exported model what is in some images; prints labels, boxes or keypoints with scores.

python -m revisit.client --url=http://localhost:8501/v1/models/NAME cat.jpg dog.png     # REST
python -m revisit.client --url=grpc://localhost:8500/NAME cat.jpg                       # gRPC
python -m revisit.client --model=models/NAME cat.jpg        # the newest exported version; no server
python -m revisit.client --model=models/DETECTOR --out=found cat.jpg     # found/cat.png has boxes
python -m revisit.client --model=models/POSE --box=40,10,200,380 --box=300,25,180,350 people.jpg
"""

import pathlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError
from revisit.serving.pictures import count_drawn, draw, read_picture, set_upright
from revisit.serving.predictors import (
    Box,
    ImageRefusedError,
    Outputs,
    Predictor,
    format_labels,
    make_local_predictor,
    make_predictor,
)

SLACK = 1.0  # pixels that a box may reach out of its image: detectors round

_URL = flags.DEFINE_string(
    "url", None, "A served model: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME."
)
_MODEL = flags.DEFINE_string(
    "model", None, "A directory that revisit.export wrote; it is read here, without a server."
)
_OUT = flags.DEFINE_string(
    "out", None, "Draw boxes, masks and skeletons over the images; pictures go to this directory."
)
_BOX = flags.DEFINE_multi_string(
    "box",
    [],
    "A person, for a pose model: x,y,width,height in pixels of the upright image, as in COCO's "
    "bbox. Given again for each further one; without it the image is taken to show one, in full.",
)
_TIMEOUT = flags.DEFINE_float(
    "timeout", 60.0, "Seconds to wait for a server's answer to one image.", lower_bound=0.0
)


def _read_image(path: str) -> bytes:
    try:
        return set_upright(pathlib.Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read the image {path!r}: {error.strerror}") from error


def _targets(out: str, paths: Sequence[str]) -> dict[str, pathlib.Path]:
    """Where the picture drawn over each image goes; --out is made."""
    targets = {path: pathlib.Path(out, f"{pathlib.Path(path).stem}.png") for path in paths}
    for target, count in Counter(targets.values()).items():
        if count > 1:
            raise UserError(f"{count} of the images would be drawn to {target}: ask one by one")
    try:
        pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to --out={out!r}: {error.strerror}") from error
    return targets


def _read_box(text: str) -> Box:
    """ "x,y,width,height" -> (ymin, xmin, ymax, xmax)."""
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        width = height = 0.0
    if not (width > 0 and height > 0):
        raise UserError(f"--box={text}: expected x,y,width,height, four numbers, the sides above 0")
    return y, x, y + height, x + width


def _check_boxes(images: Sequence[bytes], boxes: Mapping[str, Box]) -> None:
    if len(images) > 1:
        raise UserError(f"--box is of one image, and {len(images)} are given: ask one by one")
    width, height = read_picture(images[0]).size
    for text, (ymin, xmin, ymax, xmax) in boxes.items():
        if not (min(ymin, xmin) >= -SLACK and ymax <= height + SLACK and xmax <= width + SLACK):
            raise UserError(
                f"--box={text} goes from x={xmin:g}, y={ymin:g} to x={xmax:g}, y={ymax:g}, out of "
                f"the image of {width} x {height} pixels; expected x,y,width,height"
            )


def _format(outputs: Outputs, boxes: Collection[str]) -> str:
    """A table of the image, or one of each box."""
    if not boxes:
        return format_labels(outputs)
    rows = zip(*outputs.values(), strict=True)
    people = [dict(zip(outputs, row, strict=True)) for row in rows]
    tables = zip(boxes, map(format_labels, people), strict=True)
    return "\n".join(f"  box {text}\n{table}" for text, table in tables)


def _draw(image: bytes, outputs: Outputs, target: pathlib.Path) -> None:
    picture = draw(image, outputs)
    if picture is None:
        raise UserError("--out is given, but the model gives no boxes, masks or keypoints to draw")
    picture.save(target)
    print(f"  {target}: {count_drawn(outputs)}".removesuffix(": "), flush=True)


def _predictor() -> Predictor:
    url, model = _URL.value, _MODEL.value
    if url and not model:
        return make_predictor(url, _TIMEOUT.value)
    if model and not url:
        return make_local_predictor(model)
    raise UserError("give either --url=... (a served model) or --model=DIR (an exported one)")


def main(argv: Sequence[str]) -> None:
    """Prints a table for each image named in argv, or box in it; stops at the first that fails."""
    boxes = {text: _read_box(text) for text in _BOX.value}
    images = [(path, _read_image(path)) for path in argv[1:]]
    if not images:
        raise UserError("no image is given: name one or more JPEG or PNG files after the flags")
    if boxes:
        _check_boxes([image for _, image in images], boxes)
    targets = _targets(_OUT.value, argv[1:]) if _OUT.value else {}
    if _MODEL.value or (_URL.value or "").startswith("grpc://"):
        cli.import_tensorflow()
    predict = _predictor()
    for path, image in images:
        try:
            outputs = predict(image, list(boxes.values()))
            print(f"{path}\n{_format(outputs, boxes)}", flush=True)
            if path in targets:
                _draw(image, outputs, targets[path])
        except ImageRefusedError as error:
            raise UserError(f"{path}: {error}") from error


if __name__ == "__main__":
    cli.run(main, takes_arguments=True)
