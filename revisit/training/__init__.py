"""The one training loop, and what it is given: modes, strategies, optimizers, checkpoints."""
