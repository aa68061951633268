"""Every field of an experiment, its default and unit: the paper's JFT-300M pretraining.

All other configs start from this one and override; none adds a field. A duration is a string,
"<number> steps", "epochs", "examples" or "percent" (of the whole run); a bare number counts steps;
it is turned into steps once.

What differs between modes stands in `modes`, and is laid over the rest when a run starts; a field
that a mode does not name keeps its value. Flags (`--config.train.batch_size=64`) win over both.
"""

from ml_collections import ConfigDict


def _task() -> ConfigDict:
    return ConfigDict(
        {
            "name": "classify",
            "loss": "sigmoid",  # "sigmoid": any number of labels an image; "softmax": exactly one
            "absent": "negative",  # what no label means: "negative" (the paper), "unknown" (masked)
            "labels": "positive",  # as given (noisy), or "truth" where it is known
            "prior_bias": True,  # start biases at the classes' log-odds (softmax: log-shares)
            "class_weights": "",  # CSV of class,weight for mAP@100; "" weighs all classes alike
            "head_parts": 1,  # variables that hold the kernel of classes (the paper: 50)
            "export_top_k": 5,  # labels returned for an image by the exported model
            "detect": _detect(),  # of the task "detect"
            "segment": _segment(),  # of the task "segment"
            "pose": _pose(),  # of the task "pose"
        }
    )


def _detect() -> dict:
    return {
        "short_side": 600,  # pixels, which the image's becomes, its aspect ratio kept ...
        "long_side": 1024,  # ... unless the long side would pass this: the side of the canvas
        "anchor_sizes": (64, 128, 256, 512),  # pixels: square roots of the anchors' areas
        "anchor_ratios": (0.5, 1.0, 2.0),  # width over height
        "rpn_channels": 512,
        "rpn_samples": 64,  # anchors of an image that the proposal network learns from, in a step
        "box_samples": 256,  # boxes of an image that the box head learns from, in a step
        "proposals": 300,
        "box_crop": 14,  # features a side of a proposal, before conv5 halves them
        "fpn_channels": 0,  # above 0: a feature pyramid (usual: 256, with box_crop=7), where
        # anchor_sizes are those of the finest stage (usual: 32) and double with every further one
    }


def _segment() -> dict:
    return {
        "side": 512,  # pixels, which the image's longer side becomes, its aspect ratio kept
        "scales": (0.5, 1.5),  # range of a random factor to that in training
        "crop": 513,  # pixels: random in training, 1 more than a multiple of model.output_stride
        "eval_scales": (1.0,),  # factors to `side`, whose scores evaluation averages
        "eval_flip": False,  # average those of mirror images too
    }


def _pose() -> dict:
    return {
        "crop": (353, 257),  # pixels: height and width that a person's box becomes
        "radius": 25.0,  # pixels: of the disk around a keypoint, in which cells speak of it
        "margins": (1.0, 1.5),  # range of the random factor by which a box grows in training
        "margin": 1.25,  # in evaluation
        "heatmap_weight": 4.0,  # of the loss
        "offset_weight": 1.0,
        "boxes": "",  # COCO results JSON of the detector whose boxes evaluation takes; "": the true
        "nms": 0.5,  # object keypoint similarity above which two poses are one
    }


def _data() -> ConfigDict:
    return ConfigDict(
        {
            "dir": "",  # what data_prep.build wrote
            "train_split": "train",
            "eval_split": "validation",
            "fraction": 1.0,  # of the training records, the first ones: smaller sets nest in larger
            "drop_duplicates": "none",  # or "evaluation": those of evaluation images; or "all"
            "images_of": "",  # only images with one of these classes: a number, for the most
            # frequent, or a file of names, one a line; "" is all
            "classes": "",  # learn and score these alone; chosen alike
            "noise_wrong": 0.0,  # share of the given training labels that are replaced
            "noise_missing": 0.0,  # share that is left out, though never all of an image's
            "noise_kind": "sibling",  # what replaces: another child of a parent; or "uniform"
            "resize": 340,  # pixels: both sides, aspect ratio not kept
            "crop": 299,  # pixels: random in training, central in evaluation
            "flip": True,  # random left-right reflection in training
            "augment": "none",  # or "rand_augment", "color_jitter": keras-cv layers, after the flip
            "cache_bytes": 0,  # if all decoded training images fit, they are decoded once (for
            # classification, below 128 pixels; filling takes twice the memory); 0: never
            "shuffle": True,  # a new order every epoch; False keeps the order on disk
        }
    )


def _model() -> ConfigDict:
    return ConfigDict(
        {
            "depth": 101,
            "width": 64,  # channels of the stem and of the first stage's inner convolutions
            "stem": "conv7",  # 7x7/2, pooling; or "conv3_pool", "conv3", "patch4"
            "version": "v1.5",  # a bottleneck's stride is in its 3x3; "v1": in the first 1x1
            "pixels": "symmetric",  # [-1, 1]; or other libraries': "imagenet", "caffe"
            "output_stride": 32,  # 32, 16 or 8: atrous convolution below 32, the same weights
            "batch_norm_momentum": 0.9,
            "batch_norm_epsilon": 1e-5,
            "batch_norm_sync": False,  # statistics of the global batch, not of each replica's part
            "zero_init_last_gamma": False,
            "kernel_initializer": "he_normal",
            "freeze_batch_norm": False,  # True: neither its statistics nor its weights are trained
            "dtype": "float32",  # of convolutions; or "bfloat16", or "float16" with loss scaling
        }
    )


def _optimizer() -> ConfigDict:
    return ConfigDict(
        {
            "name": "rmsprop",
            "momentum": 0.9,
            "decay": 0.9,  # RMSProp's running mean of squares
            "epsilon": 1.0,
            "initial_accumulator": 1.0,  # RMSProp starts at 1 in TensorFlow 1, at 0 in Keras
            "weight_decay": 1e-4,  # L2, on kernels alone: adds rate * sum(w^2) / 2 to the loss
            "clip_norm": 0.0,  # norm that the gradient of an update is scaled down to; 0: never
            "beta_1": 0.9,  # of adamw and lamb, as the next two
            "beta_2": 0.999,
            "adam_epsilon": 1e-7,
            "average": "none",  # "polyak" or "swa": use averaged weights (tensorflow-addons)
            "average_decay": 0.999,  # of polyak
            "average_start": "0 steps",
            "average_every": "1 epochs",  # of swa
        }
    )


def _schedule() -> ConfigDict:
    return ConfigDict(
        {
            "name": "staircase",  # or "cosine", "poly", "constant"
            "learning_rate": 1e-3,
            "decay_factor": 0.9,
            "decay_every": "3000000 steps",
            "power": 0.9,  # of poly
            "warmup": "0 steps",
        }
    )


def _probe() -> ConfigDict:
    return ConfigDict(
        {
            "name": "sgd",  # on fresh crops; "sgd_on_features": on features of central crops, which
            # are computed once and kept on disk for every probe; "ridge": closed form, on the same
            "features_dir": "",  # where they are kept; "": in features/ beside the run's workdir
            "penalty": 1.0,  # of ridge, for features whose mean variance is 1
            "shots": (5, 10),  # images a class that ridge also learns from alone ...
            "draws": 5,  # ... so many times, each with others
        }
    )


def _train() -> ConfigDict:
    return ConfigDict(
        {
            "batch_size": 32,  # examples, over all replicas and workers
            "steps_per_call": 1,  # that are done without the host: more for TPUs and small models
            # (if deterministic, it is then not known how long they waited for input)
            "accumulate": 1,  # parts of a replica's batch, done one after the other: less memory
            "recompute": False,  # the backbone's activations in the backward pass: less memory
            "eval_batch_size": 128,  # examples, over all replicas and workers
            "duration": "4 epochs",
            "log_every": "100 steps",
            "eval_every": "1 epochs",
            "save_every": "1 epochs",
            "keep_last": 2,  # checkpoints
            "keep_best": "",  # metric whose best checkpoint is kept too: "map_macro", "-loss"
            "deterministic": True,  # the same bits for the same seed on one machine
            "jit_compile": False,  # compile the forward and backward pass with XLA
        }
    )


def get_config() -> ConfigDict:
    """The paper's pretraining; `data.dir` is left to set."""
    config = ConfigDict(
        {
            "seed": 0,
            "task": _task(),
            "data": _data(),
            "model": _model(),
            "optimizer": _optimizer(),
            "schedule": _schedule(),
            "probe": _probe(),  # of --mode=linear_probe
            "train": _train(),
            "modes": {"pretrain": {}, "linear_probe": {}, "finetune": {}},
        }
    )
    config.lock()
    config.modes.unlock()
    return config
