"""What the studies here have in common: frozen features and fine-tuning, 2 seeds, scored by top-1.

Each adds its title, the experiment that it varies, and the sweeps; it may change the rest.
"""

from ml_collections import ConfigDict


def make_config(**fields: object) -> ConfigDict:
    """A study, locked.

    Args:
      **fields: "title", "base" (the config of an experiment) and "sweeps", and those that differ
        from what stands here.
    """
    config = ConfigDict(
        {
            "transfers": {
                "linear_probe": {"mode": "linear_probe"},
                "finetune": {"mode": "finetune"},
            },
            "seeds": (0, 1),
            "scratch": True,
            "metric": "top_1",
            "metric_type": "accuracy",
            **fields,
        }
    )
    config.lock()
    return config
