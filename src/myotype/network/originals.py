"""What network an original checkpoint's weights are for, and whether a configuration can be built at all."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import count, takewhile
from typing import Any, Final

from torch import Tensor

from myotype.errors import ModelError
from myotype.network.pickles import Made

_RELEASE: Final[dict[str, Any]] = {
    "n_outputs": 99,
    "n_chans": 32,
    "sfreq": 2000,
    "num_bands": 2,
    "electrodes_per_band": 16,
    "n_fft": 64,
    "hop_length": 16,
    "log_eps": 1e-6,
    "mlp_features": [384],
    "rotation_offsets": [-1, 0, 1],
    "pooling": "mean",
    "block_channels": [24, 24, 24, 24],
    "kernel_width": 32,
    "log_softmax": False,
    "activation": "torch.nn.modules.activation.ReLU",
    "drop_prob": 0.0,
    "spec_augment": False,
    "n_time_masks": 3,
    "time_mask_param": 25,
    "n_freq_masks": 2,
    "freq_mask_param": 4,
    "spec_augment_prob": 1.0,
    "return_feature": False,
    "n_times": 8000,
    "input_window_seconds": None,
    "chs_info": None,
}
"""The configuration of the original release, whose checkpoints say only a part of it."""

# What a network is built of must be bounded before one is built: of these numbers the weights bear out only a part.
_LARGEST_COUNT: Final = 1_000_000
_LARGEST: Final = {
    "n_fft": 4096,  # two seconds; the transform's own table grows with its square
    "n_chans": 4096,  # as a bundle allows
    "num_bands": 64,  # each is a network of its own
}
_LONGEST_LIST: Final = 100
_COUNTS: Final = ("n_outputs", "n_chans", "num_bands", "electrodes_per_band", "n_fft", "hop_length", "kernel_width")
_LISTS: Final = {"mlp_features": 1, "block_channels": 1, "rotation_offsets": -_LARGEST_COUNT}


def original_config(weights: Mapping[str, Tensor], parameters: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Derive the configuration of an original's network.

    Parameters
    ----------
    weights
        The original's, under its names.
    parameters
        Its hyper-parameters, as the pickle describes them.
    where
        What the user calls the file, for messages.

    Returns
    -------
    dict
        All constructor arguments, as in a braindecode ``config.json``.

    Raises
    ------
    ModelError
        If weights or hyper-parameters are missing or impossible, or do not agree.
    """
    return _Architecture(weights, where).config(parameters)


def check_sizes(config: Mapping[str, Any], where: str) -> None:
    """Refuse a configuration whose network could not be built: built, it would take memory without bounds.

    Raises
    ------
    ModelError
        If a number or list is of the wrong kind or beyond all measure.
    """
    for name in _COUNTS:
        largest = _LARGEST.get(name, _LARGEST_COUNT)
        value = config.get(name)
        if value is None:  # absent or null: that is the network's business
            continue
        if type(value) is not int or not 1 <= value <= largest:
            raise ModelError(f"{where}: {name} is {brief(value)}; expected a whole number from 1 to {largest}")
    for name, least in _LISTS.items():
        values = config.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or not 1 <= len(values) <= _LONGEST_LIST:
            raise ModelError(f"{where}: {name} is {brief(values)}; expected a list of 1 to {_LONGEST_LIST} numbers")
        for value in values:
            if type(value) is not int or not least <= value <= _LARGEST_COUNT:
                raise ModelError(
                    f"{where}: {name} has {brief(value)}; expected whole numbers from {least} to {_LARGEST_COUNT}"
                )


def unwrapped(value: Any) -> Any:
    """Take the value out of a node of OmegaConf: one level, which is all that such a node wraps."""
    if not isinstance(value, Made) or not value.name.startswith("omegaconf.") or not isinstance(value.state, dict):
        return value
    return value.state.get("_content", value.state.get("_val"))


def brief(value: object) -> str:
    """Show a value from a file: of a long one the beginning, of a nested one the kind."""
    plain = isinstance(value, (str, float, int)) or (
        isinstance(value, list) and all(type(item) is int for item in value)
    )
    text = ascii(value) if plain else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."


class _Architecture:
    """The network that an original's weights are for, as their shapes and its hyper-parameters say."""

    def __init__(self, weights: Mapping[str, Tensor], where: str) -> None:
        self._weights = weights
        self._where = where

    def config(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Derive the configuration from both, and refuse what they do not agree on."""
        n_chans = self._axis("model.0.batch_norm.weight", 0, 1)
        first = "model.1.mlps.0.mlp.0.weight"
        in_features = self._axis(first, 1, 2)
        widths = [self._axis(name, 0, 2) for name in self._series("model.1.mlps.0.mlp.{}.weight", step=2)]
        num_bands = len(self._series("model.1.mlps.{}.mlp.0.weight", step=1))
        convolutions = self._series("model.3.tds_conv_blocks.{}.conv2d.weight", step=2)
        channels = [self._axis(name, 0, 4) for name in convolutions]
        kernels = {name: self._axis(name, 3, 4) for name in convolutions}
        head = "final_layer.weight" if "final_layer.weight" in self._weights else "model.4.weight"

        self._compare("in_features", self._whole(parameters, "in_features"), first, in_features)
        self._compare("mlp_features", self._wholes(parameters, "mlp_features"), "model.1.mlps.0.mlp", widths)
        self._compare(
            "block_channels", self._wholes(parameters, "block_channels"), "model.3.tds_conv_blocks.*.conv2d", channels
        )
        kernel_width = self._whole(parameters, "kernel_width")
        for name, width in kernels.items():
            self._compare("kernel_width", kernel_width, name, width)

        electrodes = self._share(n_chans, "channels", num_bands, "bands")
        bins = self._share(in_features, "in_features", electrodes, "electrodes")
        features = num_bands * widths[-1]
        for number in channels:
            self._share(features, "features", number, "channels of a block")
        config = {
            **deepcopy(_RELEASE),
            "n_outputs": self._axis(head, 0, 2),
            "n_chans": n_chans,
            "num_bands": num_bands,
            "electrodes_per_band": electrodes,
            "n_fft": 2 * (bins - 1),
            "mlp_features": widths,
            "block_channels": channels,
            "kernel_width": kernel_width,
        }
        check_sizes(config, self._where)
        if config["n_fft"] < config["hop_length"]:
            raise ModelError(f"{self._where}: {bins} bins an electrode are a window shorter than its hop of 16 samples")
        return config

    def _series(self, name: str, step: int) -> list[str]:
        """Give the names with the numbers 0, step, 2 step and so on, up to the first that is not there."""
        names = takewhile(self._weights.__contains__, (name.format(number) for number in count(0, step)))
        return list(names) or [name.format(0)]  # without any, the first is the one to be missed

    def _axis(self, name: str, axis: int, n_axes: int) -> int:
        """Give the length of one axis of a tensor that must have a certain number of them."""
        if name not in self._weights:
            raise ModelError(
                f"{self._where}: has no {name}: these are not the weights of an original emg2qwerty network"
            )
        shape = tuple(self._weights[name].shape)
        if len(shape) != n_axes or min(shape) < 1:
            raise ModelError(f"{self._where}: {name} has shape {shape}; expected {n_axes} axes, none of them empty")
        return shape[axis]

    def _share(self, whole: int, what: str, n: int, of: str) -> int:
        if whole % n:
            raise ModelError(f"{self._where}: {whole} {what} cannot be shared out among {n} {of}")
        return whole // n

    def _whole(self, parameters: Mapping[str, Any], name: str) -> int:
        value = unwrapped(parameters.get(name))
        if type(value) is not int:
            raise ModelError(f"{self._where}: its hyper_parameters say no {name}: expected a whole number")
        return value

    def _wholes(self, parameters: Mapping[str, Any], name: str) -> list[int]:
        values = unwrapped(parameters.get(name))
        numbers = (
            [unwrapped(value) for value in values[: _LONGEST_LIST + 1]] if isinstance(values, (list, tuple)) else []
        )
        if not numbers or len(numbers) > _LONGEST_LIST or not all(type(number) is int for number in numbers):
            raise ModelError(f"{self._where}: its hyper_parameters say no {name}: expected a list of whole numbers")
        return numbers

    def _compare(self, name: str, said: object, tensor: str, found: object) -> None:
        if said != found:
            raise ModelError(
                f"{self._where}: hyper_parameters say {name} {brief(said)}, but {tensor} has {brief(found)}"
            )
