import numpy as np
import tensorflow as tf

from data_prep import tfrecord


def test_frames_are_what_tensorflow_writes(tmp_path):
    generator = np.random.default_rng(0)
    sizes = [0, 1, 2, 3, 4, 5, 2047, 2048, 2049, 2051, 4096, 10_001]
    contents = [generator.bytes(size) for size in sizes]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for content in contents:
            writer.write(content)
    ours = b"".join(map(tfrecord.frame, contents))
    assert ours == (tmp_path / "theirs").read_bytes()
