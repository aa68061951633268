"""From a work directory to a model that TensorFlow Serving loads."""
