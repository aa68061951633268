"""Each task at a size of which a step takes a moment, for tests that are of all tasks."""

from typing import Any

# task -> fields, beside `config.task.name`
TINY: dict[str, dict[str, Any]] = {
    "classify": {"data.resize": 32, "data.crop": 28},
    # Its anchors do not overlap and all proposals are sampled: scores of an untrained detector lie
    # so close together that rounding ranks them, and would choose what the losses look at.
    "detect": {
        "task.detect.short_side": 64,
        "task.detect.long_side": 80,
        "task.detect.rpn_channels": 16,
        "task.detect.anchor_sizes": (12,),
        "task.detect.anchor_ratios": (1.0,),
        "task.detect.rpn_samples": 25,
        "task.detect.proposals": 25,
        "task.detect.box_samples": 64,
        "task.detect.box_crop": 4,
    },
    "segment": {"task.segment.side": 64, "task.segment.crop": 65, "model.output_stride": 8},
    "pose": {"task.pose.crop": (97, 65), "task.pose.radius": 9.0, "model.output_stride": 8},
}
