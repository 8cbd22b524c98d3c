"""EMG2QwertyNet: the TDS-Conv-CTC network of the emg2qwerty generic baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from myotype.network import arguments
from myotype.network.layers import MultiBandMLP, Pooling, SpectrogramNorm, TDSConvEncoder
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.spec_augment import SpecAugment
from myotype.network.streaming import State, check_divided, checked


class EMG2QwertyNet(PretrainedNetwork):
    """From wristband samples to a score for every key at every frame (Sivakumar et al. 2024, arXiv 2410.20081).

    Log spectrogram, batch normalisation, one rotation-invariant MLP a band, time-depth-separable convolutions, and a
    linear head. The network is causal: frame i sees samples [hop * i, hop * i + receptive_field). The arguments are
    those of a braindecode ``config.json``, and the network stands in for braindecode's class of this name.

    Samples of any floating type are taken, and the log spectrogram is computed in single precision at least; all else
    has the precision of the weights (``double``, ``half`` and ``bfloat16`` work, and so does autocast).
    ``torch.compile`` takes the network as one graph; for lengths that change while gradients are recorded it wants
    ``dynamic=False`` (torch 2.13's default compiler fails otherwise). ``torch.export`` takes batch and time as dynamic
    dimensions: time as ``torch.export.Dim.DYNAMIC``, from two output frames (`receptive_field` + `hop_length` samples)
    on, as a named dimension has no way of saying that frames are whole hops.

    Parameters
    ----------
    n_outputs
        Classes, the CTC blank last.
    n_chans
        Channels: ``num_bands`` times ``electrodes_per_band``.
    sfreq
        Samples a second.
    num_bands, electrodes_per_band
        Wristbands, and electrodes in the ring of each.
    n_fft, hop_length, log_eps
        See :class:`~myotype.network.layers.LogSpectrogram`.
    mlp_features, rotation_offsets, pooling
        See :class:`~myotype.network.layers.RotationInvariantMLP`.
    block_channels, kernel_width
        See :class:`~myotype.network.layers.TDSConvEncoder`.
    log_softmax
        Give log-probabilities rather than logits.
    activation
        Class of the activations, or its dotted name in torch.
    drop_prob
        Dropout before the head.
    spec_augment, n_time_masks, time_mask_param, n_freq_masks, freq_mask_param, spec_augment_prob
        Whether and how to mask while training: see :class:`~myotype.network.spec_augment.SpecAugment`. As in the
        original release the counts are drawn for each window and the fill is 0; braindecode draws the counts once a
        batch and fills with the batch's mean.
    return_feature
        Make ``forward`` return (output, features).
    n_times, input_window_seconds
        Length of the inputs that the network is meant for, in samples or seconds; where both are given, ``n_times`` is
        ``round(input_window_seconds * sfreq)``. It bounds nothing: any length is taken.
    chs_info
        A description of every channel, such as MNE's ``info["chs"]``: kept, as JSON values, for whoever reads it.

    Attributes
    ----------
    n_times, input_window_seconds
        Each from the other where only one was given; None where neither was.
    n_features
        Features that the head scores.

    Raises
    ------
    InputError
        If an argument has an impossible value, or two contradict each other.
    """

    architecture: ClassVar[str] = "EMG2QwertyNet"
    mapping: ClassVar[Mapping[str, str]] = {
        "model.4.weight": "final_layer.weight",
        "model.4.bias": "final_layer.bias",
    }

    def __init__(
        self,
        *,
        n_outputs: int = 99,
        n_chans: int = 32,
        sfreq: float = 2000,
        num_bands: int = 2,
        electrodes_per_band: int = 16,
        n_fft: int = 64,
        hop_length: int = 16,
        log_eps: float = 1e-6,
        mlp_features: Sequence[int] = (384,),
        rotation_offsets: Sequence[int] = (-1, 0, 1),
        pooling: Pooling = "mean",
        block_channels: Sequence[int] = (24, 24, 24, 24),
        kernel_width: int = 32,
        log_softmax: bool = False,
        activation: type[nn.Module] | str = nn.ReLU,
        drop_prob: float = 0.0,
        spec_augment: bool = False,
        n_time_masks: int = 3,
        time_mask_param: int = 25,
        n_freq_masks: int = 2,
        freq_mask_param: int = 4,
        spec_augment_prob: float = 1.0,
        return_feature: bool = False,
        n_times: int | None = None,
        input_window_seconds: float | None = None,
        chs_info: list[dict[str, Any]] | None = None,
    ) -> None:
        config = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        config = _checked(config)
        super().__init__(config)
        self.spec_augment = (
            SpecAugment(n_time_masks, time_mask_param, n_freq_masks, freq_mask_param, spec_augment_prob)
            if spec_augment
            else nn.Identity()
        )
        activation = arguments.activation_class(activation)
        in_features = config["electrodes_per_band"] * self.spectrogram.n_bins
        mlp_features, offsets = config["mlp_features"], config["rotation_offsets"]
        # The numbers are the places in the original release's sequence, 2 being its Flatten; they name the weights.
        self.model = nn.ModuleDict(
            {
                "0": SpectrogramNorm(self.n_chans),
                "1": MultiBandMLP(config["num_bands"], in_features, mlp_features, offsets, pooling, activation),
                "3": TDSConvEncoder(self.n_features, config["block_channels"], config["kernel_width"], activation),
            }
        )
        self.dropout = nn.Dropout(drop_prob)
        self.final_layer = nn.Linear(self.n_features, self.n_outputs)

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one output frame, from the normalised spectrogram on."""
        layers: Any = self.model  # torch's containers do not say what they hold
        total: int = layers["1"].multiply_adds + layers["3"].multiply_adds + self.final_layer.weight.numel()
        return total

    def encode(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Compute the features that the head scores: (batch, channels, samples) to (batch, frames, features).

        The state holds the samples that are not used up, then each convolution's last frames.
        """
        layers: Any = self.model  # torch's containers do not say what they hold
        samples, past = (state[0], state[1:]) if state is not None else (None, None)
        x, samples = self.spectrogram(x, samples)
        x, affine = layers["0"].standardised(self.spec_augment(x))
        x = layers["1"](x, affine)
        x, past = layers["3"](x, past)
        return x, [samples, *past]


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the constructor's arguments as JSON values, or say which of them is impossible."""
    found = checked(config)
    for name in ("n_time_masks", "time_mask_param", "n_freq_masks", "freq_mask_param"):
        found[name] = arguments.count(name, config[name], 0)
    found["spec_augment_prob"] = arguments.number("spec_augment_prob", config["spec_augment_prob"], 0, 1)
    found["spec_augment"] = arguments.flag("spec_augment", config["spec_augment"])
    check_divided(found["block_channels"], found["num_bands"] * found["mlp_features"][-1])
    return found
