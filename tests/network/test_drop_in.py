"""EMG2QwertyNet in the place of braindecode's class of that name: arguments, attributes, methods, weights."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict

import numpy as np
import pytest
import torch

from myotype.errors import InputError, ModelError
from myotype.network import EMG2QwertyNet

TINY = {"mlp_features": [8], "block_channels": [2, 4], "kernel_width": 5}
RECEPTIVE_FIELD = 64 + 2 * 4 * 16


class NamedInt(int):
    """Like MNE's constants: a number that knows its name."""


def mne_channels(n_chans):
    """Channels as MNE's Info holds them: dictionaries of arrays, named numbers and text."""
    return [
        {
            "ch_name": f"EMG{index}",
            "kind": NamedInt(302),
            "loc": np.array([0.5, *[np.nan] * 11]),
            "cal": np.float64(1),
            "scanno": np.int64(index + 1),
            "range": 1.0,
        }
        for index in range(n_chans)
    ]


def test_length_of_the_window_is_known_in_samples_and_seconds_whichever_was_given():
    by_samples, by_seconds = EMG2QwertyNet(**TINY, n_times=8000), EMG2QwertyNet(**TINY, input_window_seconds=4)
    for network in (by_samples, by_seconds):
        assert (network.n_times, network.input_window_seconds) == (8000, 4)
        assert network.input_shape == (1, 32, 8000)
    assert by_samples.get_config()["input_window_seconds"] is None, "the configuration holds what was given"
    assert by_seconds.get_config()["n_times"] is None
    neither = EMG2QwertyNet(**TINY)
    assert (neither.n_times, neither.input_window_seconds, neither.chs_info) == (None, None, None)


def test_samples_and_seconds_agree_by_rounding():
    network = EMG2QwertyNet(**TINY, n_times=1999, input_window_seconds=0.9997, sfreq=2000.0)
    assert (network.n_times, network.input_window_seconds) == (1999, 0.9997)
    assert network.get_config()["sfreq"] == 2000.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"n_times": 8000, "input_window_seconds": 3.0},
            r"n_times=8000 is not input_window_seconds=3 .* which is 6000",
        ),
        ({"n_times": 8000, "input_window_seconds": 4, "sfreq": 1000}, "times sfreq=1000, which is 4000"),
        ({"n_times": 0}, "n_times=0 must be a whole number from 1 to 1000000000"),
        ({"n_times": -8000}, "n_times=-8000"),
        ({"n_times": 8000.0}, r"n_times=8000\.0 must be a whole number"),
        ({"n_times": True}, "n_times=True"),
        ({"n_times": 10**400}, "must be a whole number from 1 to"),
        ({"sfreq": 10**400}, "must be a number from 1 to"),
        ({"input_window_seconds": 0}, "input_window_seconds=0 is less than one sample at sfreq=2000"),
        ({"input_window_seconds": -4}, "input_window_seconds=-4"),
        ({"input_window_seconds": float("nan")}, "input_window_seconds=nan"),
        ({"input_window_seconds": "4"}, "input_window_seconds='4' must be a number"),
        ({"chs_info": mne_channels(31)}, "chs_info has 31 entries, which is not n_chans=32"),
        ({"chs_info": []}, "chs_info has 0 entries"),
        ({"chs_info": ["EMG"] * 32}, "chs_info must be a list of dictionaries"),
        ({"chs_info": 32}, "chs_info must be a list of dictionaries, one a channel, not int"),
        ({"chs_info": [{"ch_name": object()}] * 32}, r"chs_info\[0\]\['ch_name'\] is of the type object"),
        ({"chs_info": [{"cal": 1j}] * 32}, r"chs_info\[0\]\['cal'\] is of the type complex"),
        ({"chs_info": [{1: "EMG"}] * 32}, r"chs_info\[0\] has a key that is not text"),
        ({"log_softmax": "false"}, "log_softmax='false' must be True or False"),
        ({"spec_augment": 1}, "spec_augment=1 must be True or False"),
        ({"return_feature": None}, "return_feature=None must be True or False"),
        ({"mlp_features": 384}, "mlp_features=384 must be whole numbers in a list"),
        ({"rotation_offsets": [0, 0.5]}, r"rotation_offsets=0\.5 must be a whole number"),
        ({"mlp_features": "384"}, "mlp_features='3' must be a whole number"),
        ({"activation": None}, "activation None is none of torch"),
        ({"activation": int}, "activation <class 'int'> is none of torch"),
    ],
)
def test_arguments_that_are_impossible_or_disagree_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        EMG2QwertyNet(**(TINY | arguments))


def test_description_without_end_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match="more than 16 levels of lists and dictionaries"):
        EMG2QwertyNet(**TINY, chs_info=[{"ch_name": endless}] * 32)


def test_channels_of_mne_become_json_and_survive_a_round_trip():
    given = mne_channels(32)
    network = EMG2QwertyNet(**TINY, chs_info=given)
    config = json.loads(json.dumps(network.get_config(), allow_nan=False))
    assert network.chs_info == config["chs_info"]
    assert config["chs_info"][1] == {
        "ch_name": "EMG1",
        "kind": 302,
        "loc": [0.5, *[None] * 11],
        "cal": 1.0,
        "scanno": 2,
        "range": 1.0,
    }
    again = EMG2QwertyNet.from_config(config)
    assert again.get_config() == network.get_config()
    assert np.isnan(np.array(again.chs_info[0]["loc"], dtype=float)[1:]).all(), "unknown places are read as such again"
    assert isinstance(given[0]["loc"], np.ndarray), "what was given is left as it was"


def test_numbers_of_numpy_are_plain_numbers_in_the_configuration():
    arguments = {
        "n_chans": np.int64(32),
        "n_times": np.int32(8000),
        "sfreq": np.float32(2000),
        "kernel_width": np.int8(5),
    }
    network = EMG2QwertyNet(**(TINY | arguments | {"mlp_features": np.array([8]), "rotation_offsets": range(-1, 2)}))
    config = network.get_config()
    assert json.loads(json.dumps(config)) == config
    assert [type(config[name]) for name in ("n_chans", "n_times", "sfreq", "kernel_width")] == [int, int, float, int]
    assert (config["mlp_features"], config["rotation_offsets"]) == ([8], [-1, 0, 1])


def test_a_changed_copy_of_the_configuration_changes_nothing():
    network = EMG2QwertyNet(**TINY, chs_info=mne_channels(32))
    network.get_config()["mlp_features"].append(9)
    network.get_config()["chs_info"][0]["ch_name"] = "other"
    assert network.get_config()["mlp_features"] == [8]
    assert network.chs_info[0]["ch_name"] == network.get_config()["chs_info"][0]["ch_name"] == "EMG0"


def test_attributes_are_those_that_users_of_braindecode_read():
    network = EMG2QwertyNet(n_times=8000)
    assert (network.n_outputs, network.n_chans, network.sfreq, network.n_features) == (99, 32, 2000, 768)
    assert dict(network.mapping) == {"model.4.weight": "final_layer.weight", "model.4.bias": "final_layer.bias"}
    assert network.get_output_shape() == (1, 373, 99)


@pytest.mark.parametrize(
    "settings", [{}, {"hop_length": 24}, {"kernel_width": 1}, {"n_outputs": 5, "log_softmax": True}]
)
@pytest.mark.parametrize("extra", [0, 1, 23, 500])
@torch.inference_mode()
def test_output_shape_is_that_of_a_real_output(settings, extra):
    shortest = EMG2QwertyNet(**(TINY | settings)).receptive_field
    network = EMG2QwertyNet(**(TINY | settings), n_times=shortest + extra).eval()
    assert network.get_output_shape() == network(torch.zeros(network.input_shape)).shape


def test_asking_for_the_output_shape_leaves_everything_as_it_was():
    network = EMG2QwertyNet(**TINY, n_times=800, spec_augment=True, drop_prob=0.5, return_feature=True).train()
    before, weights = torch.get_rng_state(), copy.deepcopy(network.state_dict())
    with torch.device("meta"):
        assert network.get_output_shape() == (1, 39, 99)
    assert network.training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())


def test_shapes_of_windows_that_are_unknown_or_too_short_are_refused():
    for ask in (EMG2QwertyNet.get_output_shape, lambda network: network.input_shape):
        with pytest.raises(InputError, match="give n_times or input_window_seconds"):
            ask(EMG2QwertyNet(**TINY))
    short = EMG2QwertyNet(**TINY, n_times=RECEPTIVE_FIELD - 1)
    assert short.input_shape == (1, 32, RECEPTIVE_FIELD - 1)
    with pytest.raises(InputError, match="191 samples are fewer than the receptive field of 192"):
        short.get_output_shape()


@torch.inference_mode()
def test_features_are_those_that_the_head_scores_before_dropout():
    network = EMG2QwertyNet(**TINY, drop_prob=0.5)
    x = torch.randn(2, 32, 800) * 20
    found = network(x, return_features=True)
    assert found.keys() == {"features", "cls_token"}
    assert found["cls_token"] is None
    assert found["features"].shape == (2, 39, 16)
    assert torch.equal(network(x, return_features=True)["features"], found["features"]), "dropout has touched them"
    network.eval()
    features = network(x, return_features=True)["features"]
    torch.testing.assert_close(network.final_layer(features), network(x))


@torch.inference_mode()
def test_features_asked_for_by_the_constructor_come_beside_the_output():
    network = EMG2QwertyNet(**TINY, return_feature=True).eval()
    x = torch.randn(1, 32, 800) * 20
    output, features = network(x)
    torch.testing.assert_close(output, network.final_layer(features))
    assert torch.equal(network(x, return_features=True)["features"], features), "the call's word goes first"


def test_a_new_head_has_the_classes_asked_for_and_the_rest_is_kept():
    network = EMG2QwertyNet(**TINY, n_times=800).double().eval()
    old = copy.deepcopy(network)
    network.reset_head(7)
    assert network.n_outputs == network.get_config()["n_outputs"] == network.final_layer.out_features == 7
    assert network.get_output_shape() == network(torch.zeros(network.input_shape)).shape == (1, 39, 7)
    assert network.final_layer.weight.dtype == torch.float64
    assert not network.final_layer.training
    assert network.final_layer.weight.requires_grad
    for name, tensor in network.state_dict().items():
        assert name.startswith("final_layer") or torch.equal(tensor, old.state_dict()[name]), name
    EMG2QwertyNet.from_config(network.get_config()).load_state_dict(network.state_dict())
    network.reset_head(99)
    assert not torch.equal(network.final_layer.weight, old.final_layer.weight), "the same size is a new head too"


def test_a_head_stays_on_the_device_of_the_network():
    network = EMG2QwertyNet(**TINY).to("meta")
    network.reset_head(3)
    assert network.final_layer.weight.device.type == "meta"


@pytest.mark.parametrize("n_outputs", [0, -1, 2.0, "3", None, True])
def test_an_impossible_head_is_refused_and_the_old_one_kept(n_outputs):
    network = EMG2QwertyNet(**TINY)
    with pytest.raises(InputError, match=r"n_outputs=.* must be a whole number from 1 to"):
        network.reset_head(n_outputs)
    assert network.n_outputs == network.get_config()["n_outputs"] == 99


@pytest.mark.parametrize(
    ("samples", "frames"),
    [
        (0, 0),
        (RECEPTIVE_FIELD - 1, 0),
        (RECEPTIVE_FIELD, 1),
        ([0, 191, 192, 207, 208], [0, 0, 1, 1, 2]),
        (np.array([192, 8000]), [1, 489]),
        ([], []),
        (torch.tensor([[192], [8000]], dtype=torch.int32), [[1], [489]]),
        (torch.tensor([3, 200, 255], dtype=torch.uint8), [0, 1, 4]),
        (torch.tensor([-128, 127], dtype=torch.int8), [0, 0]),
        (torch.tensor(8000.0), 489.0),
    ],
)
def test_output_lengths_of_numbers_sequences_and_tensors(samples, frames):
    found = EMG2QwertyNet(**TINY).compute_output_lengths(samples)
    assert found.dtype == (samples.dtype if isinstance(samples, torch.Tensor) else torch.int64)
    assert found.tolist() == frames


def original_names(weights):
    return OrderedDict((name.replace("final_layer", "model.4"), tensor) for name, tensor in weights.items())


@pytest.mark.parametrize("strict", [True, False])
def test_weights_load_under_the_names_of_the_original_release(strict):
    source, target = EMG2QwertyNet(**TINY), EMG2QwertyNet(**TINY)
    weights = original_names(source.state_dict())
    names = list(weights)
    incompatible = target.load_state_dict(weights, strict)
    assert incompatible.missing_keys == incompatible.unexpected_keys == []
    assert list(weights) == names, "what was given is left as it was"
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in target.state_dict().items())


def test_a_weight_under_both_its_names_is_refused_and_nothing_is_loaded():
    source, target = EMG2QwertyNet(**TINY), EMG2QwertyNet(**TINY)
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(ModelError, match=r"model\.4\.bias and final_layer\.bias, which are names of the same weight"):
        target.load_state_dict(source.state_dict() | {"model.4.bias": torch.zeros(99)}, strict=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_weights_that_do_not_fit_are_refused_as_torch_refuses_them():
    weights = original_names(EMG2QwertyNet(**TINY).state_dict())
    network = EMG2QwertyNet(**TINY)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict: \"other\""):
        network.load_state_dict(weights | {"other": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"final_layer.bias\""):
        network.load_state_dict({name: tensor for name, tensor in weights.items() if name != "model.4.bias"})
    with pytest.raises(RuntimeError, match=r"size mismatch for final_layer\.bias"):
        network.load_state_dict(weights | {"model.4.bias": torch.zeros(3)})


def test_notes_of_torch_on_the_versions_of_its_modules_go_with_renamed_weights():
    weights = original_names(EMG2QwertyNet(**TINY).state_dict())
    del weights["model.0.batch_norm.num_batches_tracked"]
    EMG2QwertyNet(**TINY).load_state_dict(weights)  # without notes they are from before torch counted batches
    weights._metadata = EMG2QwertyNet(**TINY).state_dict()._metadata
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        EMG2QwertyNet(**TINY).load_state_dict(weights)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64, torch.bool, torch.complex64])
def test_samples_that_are_no_floating_point_numbers_are_refused(dtype):
    network = EMG2QwertyNet(**TINY)
    for run in (network, network.forward_with_state):
        with pytest.raises(InputError, match=f"got {dtype}: convert them to float32, in microvolts"):
            run(torch.ones(1, 32, 800, dtype=dtype))


def test_arrays_are_refused_with_a_hint():
    with pytest.raises(InputError, match=r"samples as a tensor, got ndarray: torch\.as_tensor makes one"):
        EMG2QwertyNet(**TINY)(np.zeros((1, 32, 800), np.float32))
