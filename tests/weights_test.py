"""Weights cross to torch and back, and mean the same there."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from revisit.errors import UserError
from revisit.models.resnet import ResNet
from revisit.models.weights import from_torchvision, to_torchvision, torchvision_name

# ResNet-50 v1.5 in torch's own layers, under torchvision's names; weights and batch-norm statistics
# are random. Arguments: inputs.npz, outputs.npz: the weights, and the pyramid (NHWC) of each input.
TORCH_RESNET50 = """
import sys

import numpy
import torch
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = None
        if stride != 1 or channels_in != 4 * channels:
            shortcut = nn.Conv2d(channels_in, 4 * channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * channels))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels_in = 64
        for stage, blocks in enumerate((3, 4, 6, 3)):
            channels, layer = 64 * 2**stage, []
            for block in range(blocks):
                layer.append(Bottleneck(channels_in, channels, 2 if stage and not block else 1))
                channels_in = 4 * channels
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            yield x


torch.manual_seed(0)
model = ResNet50().eval()
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, std=0.1)
        nn.init.normal_(module.running_mean, std=0.1)
        nn.init.uniform_(module.running_var, 0.5, 1.5)
outputs = {f"state/{name}": value.numpy() for name, value in model.state_dict().items()}
with torch.no_grad():
    for name, image in numpy.load(sys.argv[1]).items():
        image = torch.from_numpy(image.transpose(0, 3, 1, 2).copy())
        for level, features in enumerate(model(image), 2):
            outputs[f"{name}/c{level}"] = features.numpy().transpose(0, 2, 3, 1)
numpy.savez(sys.argv[2], **outputs)
"""


def _torch_python() -> str:
    python = os.environ.get("REVISIT_TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode:
        pytest.skip("needs torch: set REVISIT_TORCH_PYTHON to a Python that has it")
    return python


def test_forward_pass_agrees_with_torch_given_the_same_weights(tmp_path):
    python = _torch_python()
    random = np.random.default_rng(0)
    images = {
        f"{height}x{width}": random.uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
        for height, width in [(224, 224), (97, 131), (75, 64)]
    }
    np.savez(tmp_path / "inputs.npz", **images)
    command = [python, "-c", TORCH_RESNET50, tmp_path / "inputs.npz", tmp_path / "outputs.npz"]
    subprocess.run(command, check=True)
    outputs = dict(np.load(tmp_path / "outputs.npz"))
    state = {name.removeprefix("state/"): outputs[name] for name in outputs if "state/" in name}

    backbone = ResNet(50)
    from_torchvision(state, backbone)
    for size, image in images.items():
        for level, features in backbone(image, training=False).items():
            expected = outputs[f"{size}/{level}"]
            scale = np.abs(expected).max()
            difference = np.abs(features - expected).max()
            print(f"{size} {level}: largest difference {difference:.1e}, largest value {scale:.3g}")
            assert difference <= 1e-4 * max(scale, 1.0)
    back = to_torchvision(backbone)
    for name, value in back.items():
        np.testing.assert_array_equal(value, state[name])


def _randomized(backbone, seed=0):
    random = np.random.default_rng(seed)
    for weight in backbone.weights:
        low, high = (
            (0.5, 1.5) if "gamma" in weight.name or "variance" in weight.name else (-0.1, 0.1)
        )
        weight.assign(random.uniform(low, high, weight.shape))
    return backbone


def _conv(x, kernel, stride, padding):
    """Torch's conv2d written out: x [B, C, H, W], kernel [out, in, k, k]."""
    size = kernel.shape[-1]
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return np.einsum("bihwkl,oikl->bohw", windows[:, :, ::stride, ::stride], kernel, optimize=True)


def _norm(x, state, name):
    weight, bias, mean, variance = (
        state[f"{name}.{kind}"][:, None, None]
        for kind in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def _relu(x):
    return np.maximum(x, 0)


def _numpy_bottleneck(x, state, name, stride):
    y = _relu(_norm(_conv(x, state[f"{name}.conv1.weight"], 1, 0), state, f"{name}.bn1"))
    y = _relu(_norm(_conv(y, state[f"{name}.conv2.weight"], stride, 1), state, f"{name}.bn2"))
    y = _norm(_conv(y, state[f"{name}.conv3.weight"], 1, 0), state, f"{name}.bn3")
    shortcut = x
    if f"{name}.downsample.0.weight" in state:
        shortcut = _conv(x, state[f"{name}.downsample.0.weight"], stride, 0)
        shortcut = _norm(shortcut, state, f"{name}.downsample.1")
    return _relu(y + shortcut)


def _numpy_resnet(image, state, blocks):
    """The network as torch defines it, in float64 NumPy: [B, H, W, 3] -> c5 [B, H/32, W/32, C]."""
    x = image.transpose(0, 3, 1, 2).astype(np.float64)
    x = _relu(_norm(_conv(x, state["conv1.weight"], 2, 3), state, "bn1"))
    x = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    x = windows[:, :, ::2, ::2].max(axis=(-1, -2))
    for stage, num_blocks in enumerate(blocks):
        for block in range(num_blocks):
            stride = 2 if stage and not block else 1
            x = _numpy_bottleneck(x, state, f"layer{stage + 1}.{block}", stride)
    return x.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("size", [(64, 64), (65, 50)])
def test_forward_pass_agrees_with_the_network_written_out_in_numpy(size):
    backbone = _randomized(ResNet(50, width=8))
    image = np.random.default_rng(1).uniform(-1, 1, (2, *size, 3)).astype(np.float32)
    expected = _numpy_resnet(image, to_torchvision(backbone), (3, 4, 6, 3))
    features = backbone(image, training=False)["c5"].numpy()
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("depth", [18, 50])
def test_weights_come_back_from_torch_names_unchanged(depth):
    source, target = _randomized(ResNet(depth, width=8)), ResNet(depth, width=8)
    from_torchvision(to_torchvision(source), target)
    for mine, theirs in zip(source.weights, target.weights, strict=True):
        tf.debugging.assert_equal(mine, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("stem/conv/kernel:0", "conv1.weight"),
        ("stem/norm/moving_variance:0", "bn1.running_var"),
        ("stage2/block1/conv1/kernel:0", "layer1.0.conv1.weight"),
        ("stage4/block23/norm3/beta:0", "layer3.22.bn3.bias"),
        ("stage5/block1/shortcut_conv/kernel:0", "layer4.0.downsample.0.weight"),
        ("stage5/block1/shortcut_norm/moving_mean:0", "layer4.0.downsample.1.running_mean"),
    ],
)
def test_names_are_those_of_torchvision(ours, theirs):
    assert torchvision_name(ours) == theirs


def test_classifier_and_batch_counts_are_ignored():
    backbone = ResNet(10, width=8)
    state = to_torchvision(backbone) | {
        "fc.weight": np.zeros((5, 64)),
        "fc.bias": np.zeros(5),
        "bn1.num_batches_tracked": np.zeros((), np.int64),
    }
    from_torchvision(state, backbone)


def test_missing_weight_is_named():
    state = to_torchvision(ResNet(10, width=8))
    del state["layer2.0.bn1.weight"]
    with pytest.raises(
        UserError, match=r"the state dict lacks 1 weights.*'layer2\.0\.bn1\.weight'"
    ):
        from_torchvision(state, ResNet(10, width=8))


def test_weight_without_a_place_is_named():
    state = to_torchvision(ResNet(18, width=8))
    with pytest.raises(UserError, match=r"no place for 40 weights.*'layer1\.1\.bn1\.bias'"):
        from_torchvision(state, ResNet(10, width=8))


def test_weight_of_another_shape_is_named():
    state = to_torchvision(ResNet(10, width=16))
    with pytest.raises(
        UserError, match=r"'conv1\.weight' has shape \(16, 3, 7, 7\).*\(7, 7, 3, 8\)"
    ):
        from_torchvision(state, ResNet(10, width=8))
