"""From what people have (tables, folders, archives of images) to TFRecords that training reads."""

import revisit  # noqa: F401  sets TF_USE_LEGACY_KERAS before TensorFlow is imported
