"""How far will more (noisy) data take a vision model: pretrain, transfer, fit the curve, serve."""

import os

# tf_keras is the Keras whose batch norm and optimizers are exact under every tf.distribute
# strategy; TensorFlow and keras-cv only use it if this is set before either is imported, so it
# stands at the package's door.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# TensorFlow's start-up banners would bury the one line that a command prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
