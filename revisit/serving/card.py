"""The model card: what an exported model was trained on, how, and how well it did, for people."""

import json
import pathlib
from collections import Counter

from revisit.data.records import read_dataset
from revisit.data.taxonomy import Taxonomy
from revisit.errors import UserError
from revisit.training.logs import read_metrics
from revisit.training.model import LoadedModel
from revisit.training.workdir import CONFIG_FILE, read_experiment

CARD = """# Model card

{summary}

## Data
{data}
## Training
{training}
## Metrics
{metrics}
## Use
`serving_default` takes encoded images (`image_bytes`) and answers with scores, class ids, names,
and what else the task gives: titles, ancestors and features; or titles, and boxes in the image's
own pixels (ymin, xmin, ymax, xmax); or `mask_bytes`, a PNG of class ids in the image's own pixels,
of which the scores are shares; or keypoints (y, x) in those pixels, of the person who fills the
image, and by the signature `boxes` of people in given boxes; and, where validation gave them, the
thresholds by which a score is a yes (best F1 of each class). `features` takes the same and gives a
classifier's features alone; `examples` takes serialised tf.Examples; `images` takes pixels, float32
in [-1, 1], `images_uint8` those from 0 to 255, both {height} x {width}. Encoded images are resized
and cropped or padded to that size in the graph, as in evaluation.

## Limits
Where the training labels are noisy or incomplete, so is what the model learned from them; scores
are not calibrated. It knows the {num_classes} classes of its taxonomy and nothing else, and has
been measured on the split above alone.

## License
- model: {license}
- training images: {images_license}

Terms of the training images bind the use of the model too.

## Config
```json
{config}
```
"""


def write_card(
    directory: pathlib.Path, workdir: pathlib.Path, loaded: LoadedModel, license: str
) -> None:
    """Writes model_card.md into an exported version."""
    (directory / "model_card.md").write_text(make_card(workdir, loaded, license))


def make_card(workdir: pathlib.Path, loaded: LoadedModel, license: str) -> str:
    """The card's Markdown, from the workdir's own records and the model's license."""
    config = read_experiment(workdir / CONFIG_FILE)
    model, data = config["model"], config["data"]
    return CARD.format(
        summary=f"A ResNet-{model['depth']} (width {model['width']}, stem {model['stem']}) for the "
        f"task {config['task']['name']!r}, as it was at step {loaded.step} of its training. "
        f"Stored are {_count_weights(loaded)}.",
        data=_bullets(_data_facts(data, loaded.taxonomy)),
        training=_bullets(_training_facts(config)),
        metrics=_metrics_table(workdir, data["eval_split"], loaded.step),
        height=loaded.task.image_size[0],
        width=loaded.task.image_size[1],
        license=license,
        images_license=_images_license(data["dir"]),
        num_classes=loaded.taxonomy.num_classes,
        config=json.dumps(config, indent=2),
    )


def _count_weights(loaded: LoadedModel) -> str:
    counts: Counter[str] = Counter()
    for variable in [*loaded.backbone.variables, *loaded.head.variables]:
        counts[variable.dtype.name] += variable.shape.num_elements()
    return " and ".join(f"{count:,} {dtype} weights" for dtype, count in sorted(counts.items()))


def _bullets(facts: dict[str, object]) -> str:
    return "".join(f"- {name}: {value}\n" for name, value in facts.items())


def _data_facts(data: dict, taxonomy: Taxonomy) -> dict[str, object]:
    facts: dict[str, object] = {
        "data set": f"`{data['dir']}`",
        "trained on": f"split {data['train_split']!r}, fraction {data['fraction']}",
        "classes": f"{taxonomy.num_classes}, in a taxonomy {taxonomy.depth()} levels deep "
        f"(fingerprint {taxonomy.fingerprint()})",
    }
    try:
        dataset = read_dataset(data["dir"])
    except UserError:
        return {**facts, "records": "not known: the data set was not there when this was exported"}
    records = {split: dataset.num_examples(split) for split in dataset.shards}
    source = dataset.metadata.get("source", "not stated")
    return {**facts, "records": f"{records} (all of each split)", "source": source}


def _images_license(directory: str) -> str:
    try:
        return str(read_dataset(directory).metadata.get("license", "not stated"))
    except UserError:
        return "not stated"


def _training_facts(config: dict) -> dict[str, object]:
    train, optimizer, schedule = config["train"], config["optimizer"], config["schedule"]
    return {
        "mode": config.get("mode", "not stated"),
        "started from": config.get("init") or "random weights",
        "length": f"{train['duration']}, batches of {train['batch_size']}",
        "optimizer": f"{optimizer['name']}, learning rate {schedule['learning_rate']} "
        f"({schedule['name']}), weight decay {optimizer['weight_decay']}",
        "seed": config["seed"],
    }


def _metrics_table(workdir: pathlib.Path, split: str, step: int) -> str:
    figures = read_metrics(str(workdir), split, step)
    if not figures:
        return f"None: the split {split!r} was not evaluated at step {step}.\n"
    header = [f"On the split {split!r} at step {step}:", "", "| metric | value |", "|---|---|"]
    return "\n".join(
        [*header, *(f"| {name} | {value:.6g} |" for name, value in figures.items()), ""]
    )
