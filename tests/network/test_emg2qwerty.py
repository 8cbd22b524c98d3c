"""EMG2QwertyNet against the reference outputs, and its own promises."""

from __future__ import annotations

import copy
import hashlib
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from myotype.errors import InputError, ModelError
from myotype.network import EMG2QwertyNet

INPUTS = ["realistic", "zeros", "large"]
TINY = {"mlp_features": [8], "block_channels": [2, 4], "kernel_width": 5}


@pytest.fixture(scope="module")
def tiny_config(golden):
    return json.loads((golden / "braindecode_tiny" / "config.json").read_text())


@pytest.fixture(scope="module")
def tiny_net(golden, tiny_config):
    network = EMG2QwertyNet.from_config(tiny_config).eval()
    network.load_state_dict(load_file(golden / "braindecode_tiny" / "model.safetensors"))
    return network


@pytest.fixture(scope="module")
def tiny_outputs(golden):
    with np.load(golden / "emissions_tiny.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", INPUTS)
@torch.inference_mode()
def test_logits_and_emissions_are_those_of_the_reference(tiny_net, tiny_outputs, name):
    logits = tiny_net(torch.from_numpy(tiny_outputs[f"emg_{name}"]))
    emissions = logits.log_softmax(-1).numpy()
    np.testing.assert_allclose(logits.numpy(), tiny_outputs[f"braindecode_logits_{name}"], atol=1e-4, rtol=0)
    reference = tiny_outputs[f"emissions_{name}"].transpose(1, 0, 2)
    np.testing.assert_allclose(emissions, reference, atol=1e-4, rtol=0)
    np.testing.assert_allclose(emissions, tiny_outputs[f"emissions_f64_{name}"].transpose(1, 0, 2), atol=1e-4, rtol=0)
    top = np.sort(reference, axis=-1)
    clear = top[..., -1] - top[..., -2] > 2e-4
    assert (emissions.argmax(-1) == reference.argmax(-1))[clear].all()


@pytest.mark.parametrize("name", INPUTS)
@torch.inference_mode()
def test_double_precision_is_that_of_the_reference_to_the_thirteenth_digit(tiny_net, tiny_outputs, name):
    network = copy.deepcopy(tiny_net).double()
    samples = torch.from_numpy(tiny_outputs[f"emg_{name}"])
    reference = tiny_outputs[f"emissions_f64_{name}"].transpose(1, 0, 2)
    for x in (samples, samples.double()):
        emissions = network(x).log_softmax(-1).numpy()
        assert emissions.dtype == np.float64
        np.testing.assert_allclose(emissions, reference, atol=1e-12, rtol=0)  # found: at most 6.6e-14


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("name", INPUTS)
@torch.inference_mode()
def test_half_precision_is_near_the_reference_and_finds_nearly_the_same_keys(
    tiny_net, tiny_outputs, name, dtype, largest
):
    network = copy.deepcopy(tiny_net).to(dtype)
    samples = torch.from_numpy(tiny_outputs[f"emg_{name}"])
    reference = tiny_outputs[f"braindecode_logits_{name}"]
    for x in (samples, samples.to(dtype)):
        logits = network(x)
        assert logits.dtype == dtype
        assert (logits.float().numpy().argmax(-1) == reference.argmax(-1)).mean() > 0.97
    np.testing.assert_allclose(network(samples).float().numpy(), reference, atol=largest, rtol=0)


@torch.inference_mode()
def test_log_spectrogram_is_that_of_the_reference(tiny_net, tiny_outputs):
    frames, _ = tiny_net.spectrogram(torch.from_numpy(tiny_outputs["emg_realistic"]))
    reference = tiny_outputs["logspec_realistic"].reshape(1, 497, 32, 33)
    power = 10.0**reference
    difference = np.abs(frames.numpy() - reference)
    assert difference[power > 1e-2].max() < 2e-4
    assert difference.max() < 1e-2


@torch.inference_mode()
def test_every_stage_is_that_of_the_reference(tiny_net, tiny_outputs):
    x = torch.from_numpy(tiny_outputs["logspec_realistic"].reshape(1, 497, 32, 33))
    normed = tiny_net.model["0"](x)
    mlp = tiny_net.model["1"](normed)
    encoded, _ = tiny_net.model["3"](mlp)
    logits = tiny_net.final_layer(encoded)
    for found, name in [
        (normed[:, ::8].reshape(1, 63, 2, 16, 33), "norm_realistic_every8th_frame"),
        (mlp.reshape(1, 497, 2, 24), "mlp_realistic"),
        (encoded, "encoder_realistic"),
        (logits, "logits_realistic"),
    ]:
        reference = tiny_outputs[name].swapaxes(0, 1)
        np.testing.assert_allclose(found.numpy(), reference, atol=1e-5, rtol=0, err_msg=name)


@pytest.fixture(scope="module")
def full_size(golden):
    facts = json.loads((golden / "full_size.json").read_text())
    with np.load(golden / "full_size_emissions.npz") as arrays:
        return facts, dict(arrays)


@pytest.fixture(scope="module")
def full_input(full_size):
    emg = np.random.default_rng(77).standard_normal((1, 32, 8000), dtype=np.float32) * np.float32(12.5)
    assert hashlib.sha256(emg.tobytes()).hexdigest() == full_size[0]["input"]["sha256_float32_c_order"]
    return torch.from_numpy(emg)


def sha256_of(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def table_of(network: EMG2QwertyNet) -> dict[str, tuple[list[int], str]]:
    renamed = {key.replace("final_layer", "model.4"): tensor for key, tensor in network.state_dict().items()}
    return {key: (list(tensor.shape), sha256_of(tensor)) for key, tensor in renamed.items()}


@torch.inference_mode()
def test_full_size_network_of_recipe_a_is_that_of_the_reference(full_size, full_input):
    facts, emissions = full_size
    torch.manual_seed(1234)
    network = EMG2QwertyNet().eval()
    expected = {row["key"]: (row["shape"], row["sha256"]) for row in facts["recipe_A"]["table"]}
    assert list(table_of(network)) == list(expected)
    assert table_of(network) == expected
    found = network(full_input).log_softmax(-1).numpy()
    np.testing.assert_allclose(found, emissions["emissions_A"].swapaxes(0, 1), atol=1e-4, rtol=0)


def recipe_b_value(index, key, shape):
    noise = np.random.default_rng([4321, index]).standard_normal(shape)
    if key.endswith("num_batches_tracked"):
        return np.int64(7)
    if key.endswith("running_mean"):
        value = 0.5 * noise - 0.5
    elif key.endswith("running_var"):
        value = 1 + noise * noise
    elif len(shape) >= 2:
        value = noise / np.sqrt(np.prod(shape[1:]))
    elif key.endswith(".weight"):
        value = 1 + 0.1 * noise
    else:
        value = 0.1 * noise
    return value.astype(np.float32)


@torch.inference_mode()
def test_full_size_network_of_recipe_b_is_that_of_the_reference(full_size, full_input):
    facts, emissions = full_size
    network = EMG2QwertyNet().eval()
    shapes = {row["key"]: row["shape"] for row in facts["recipe_B"]["table"]}
    weights = {
        key.replace("model.4", "final_layer"): torch.as_tensor(recipe_b_value(index, key, shapes[key]))
        for index, key in enumerate(sorted(shapes))
    }
    network.load_state_dict(weights)
    expected = {row["key"]: (row["shape"], row["sha256"]) for row in facts["recipe_B"]["table"]}
    assert table_of(network) == expected
    found = network(full_input).log_softmax(-1).numpy()
    np.testing.assert_allclose(found, emissions["emissions_B"].swapaxes(0, 1), atol=1e-4, rtol=0)


def test_output_lengths_are_those_of_the_reference(golden, tiny_net):
    lengths = json.loads((golden / "model_facts.json").read_text())["lengths"]
    samples, frames = torch.tensor(lengths).T
    assert tiny_net.compute_output_lengths(samples).tolist() == frames.tolist()
    assert EMG2QwertyNet().compute_output_lengths(torch.tensor([8000])).item() == 373


def test_full_size_network_has_the_published_shape():
    network = EMG2QwertyNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_293_315
    assert len(network.state_dict()) == 51
    assert network.receptive_field == 2048


def test_configuration_survives_a_round_trip(tiny_config, tiny_net):
    ours = tiny_net.get_config()
    theirs = {name: value for name, value in tiny_config.items() if name != "braindecode_version"}
    assert list(ours) == list(theirs)
    assert json.loads(json.dumps(ours)) == theirs


@torch.inference_mode()
def test_shortest_input_gives_one_frame_and_a_shorter_one_is_refused(tiny_net):
    assert tiny_net(torch.zeros(1, 32, 288)).shape == (1, 1, 99)
    with pytest.raises(ValueError, match="287 samples are fewer than the receptive field of 288"):
        tiny_net(torch.zeros(1, 32, 287))


@pytest.mark.parametrize("shape", [(32, 8000), (1, 31, 8000), (1, 8000, 32)])
def test_wrong_channels_are_refused(tiny_net, shape):
    with pytest.raises(ValueError, match=r"expected samples of shape \(batch, 32, samples\)"):
        tiny_net(torch.zeros(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_chans": 30}, "n_chans=30 is not 2 bands of 16"),
        ({"block_channels": [5]}, "5 does not divide the 768 features"),
        ({"mlp_features": []}, "mlp_features is empty"),
        ({"kernel_width": 0}, "kernel_width=0"),
        ({"hop_length": 65}, "hop_length=65 is longer than the window"),
        ({"pooling": "sum"}, "pooling='sum'"),
        ({"rotation_offsets": []}, "rotation_offsets"),
        ({"kernel_width": 32.0}, "kernel_width=32.0 must be a whole number"),
        ({"n_chans": "32"}, "n_chans='32' must be a whole number"),
        ({"drop_prob": 2}, "drop_prob=2 must be a number from 0 to 1"),
        ({"log_eps": 0}, "log_eps=0"),
        ({"activation": "torch.nn.modules.activation.MultiheadAttention"}, "none of torch.nn.modules.activation"),
        ({"activation": "torch.nn.modules.activation.Tensor"}, "none of torch.nn.modules.activation"),
        ({"activation": "os.system"}, "none of torch.nn.modules.activation"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        EMG2QwertyNet(**arguments)


def test_impossible_configuration_is_an_error_of_the_model():
    for config in ({"mlp_features": 8}, {"kernel_width": 0}, {"pooling": None}):
        with pytest.raises(ModelError, match=r"config\.json"):
            EMG2QwertyNet.from_config(config)


def test_unknown_configuration_is_refused():
    with pytest.raises(ModelError, match="knows no kernel_size"):
        EMG2QwertyNet.from_config({"kernel_size": 3})


@torch.inference_mode()
def test_features_come_with_the_logits_on_request():
    network = EMG2QwertyNet(**TINY, return_feature=True, log_softmax=True).eval()
    output, features = network(torch.randn(2, 32, 800))
    assert features.shape == (2, output.shape[1], 16)
    torch.testing.assert_close(output, network.final_layer(features).log_softmax(-1))
    torch.testing.assert_close(output.exp().sum(-1), torch.ones(output.shape[:2]))


@torch.inference_mode()
def test_a_frame_sees_its_receptive_field_and_nothing_else():
    network = EMG2QwertyNet(**TINY).eval()
    x = torch.randn(1, 32, 1200)
    whole = network(x)
    frame = 20
    first, last = frame * 16, frame * 16 + network.receptive_field - 1
    for sample, seen in [(first - 1, False), (first + 1, True), (last, True), (last + 1, False)]:
        changed = x.clone()
        changed[0, :, sample] += 1000
        assert (network(changed)[0, frame] != whole[0, frame]).any().item() == seen


@torch.inference_mode()
def test_more_signal_never_changes_earlier_frames():
    network = EMG2QwertyNet(**TINY).eval()
    x = torch.randn(2, 32, 1500)
    short, long = network(x[..., :1000]), network(x)
    torch.testing.assert_close(long[:, : short.shape[1]], short, atol=1e-6, rtol=1e-5)


@given(cuts=st.lists(st.integers(0, 900), max_size=8), batch=st.integers(1, 3), hop=st.sampled_from([16, 32, 64]))
@settings(max_examples=25, deadline=None)
@torch.inference_mode()
def test_a_stream_in_pieces_equals_the_whole(cuts, batch, hop):
    torch.manual_seed(0)
    network = EMG2QwertyNet(**TINY, hop_length=hop).eval()
    x = torch.randn(batch, 32, 1400)
    state, pieces = None, []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 1400], strict=True):
        piece, state = network.forward_with_state(x[..., start:end], state)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, 1), network(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("volume", [0.0, 1e-4, 20.0, 5000.0])
def test_gradients_reach_every_parameter_and_every_sample_and_are_finite(volume):
    torch.manual_seed(3)
    network = EMG2QwertyNet(**TINY).train()
    x = (torch.randn(2, 32, 1000) * volume).requires_grad_()
    network(x).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert volume == 0 or parameter.grad.any(), name
    assert x.grad.isfinite().all()
    assert volume == 0 or (x.grad != 0)[..., 1:992].all(), "only the window's first sample and an odd end are not seen"


def test_masked_values_get_no_gradient_and_the_rest_gets_one():
    torch.manual_seed(3)
    network = EMG2QwertyNet(**TINY, spec_augment=True).train()
    x = torch.randn(2, 32, 1000, requires_grad=True)
    network(x).square().mean().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())
    assert x.grad.isfinite().all()


@torch.inference_mode()
def test_spec_augment_rests_in_evaluation_mode():
    torch.manual_seed(3)
    network = EMG2QwertyNet(**TINY, spec_augment=True).eval()
    plain = EMG2QwertyNet(**TINY).eval()
    plain.load_state_dict(network.state_dict())
    x = torch.randn(2, 32, 1000)
    assert torch.equal(network(x), plain(x))
    assert not torch.equal(network.train()(x), plain.train()(x))
