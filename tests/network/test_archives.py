"""Files of torch.save that are as they should be, broken ones, and hostile ones: nothing in any of them is run."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from myotype.errors import ModelError
from myotype.network.archives import SavedFile
from myotype.network.pickles import read_pickle

MANY = 50_000
MEGABYTES = 1 << 20


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """What every hostile file of these tests would make, were it run."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


def read(path, names=None):
    with SavedFile.open(path) as file:
        return file.tensors(file.content if names is None else {name: file.content[name] for name in names})


def saved(path, content):
    torch.save(content, path)
    return path


def archive(path, data, records=(), name="archive", method=zipfile.ZIP_STORED):
    """Write an archive by hand."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr(f"{name}/data.pkl", data)
        for key, content in dict(records).items():
            file.writestr(f"{name}/{key}", content)
    return path


def text(content):
    return b"X" + struct.pack("<I", len(content.encode())) + content.encode()


def number(value):
    return pickle.dumps(value, protocol=2)[2:-1]


def reference(kind="FloatStorage", key="0", n=2, device="cpu"):
    return b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text(device) + number(n) + b"tQ"


def tensor(storage, offset=0, size=(2,), stride=(1,), rest=b"\x89ccollections\nOrderedDict\n)R"):
    numbers = number(offset) + b"(" + b"".join(map(number, size)) + b"t(" + b"".join(map(number, stride)) + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + rest + b"tR"


def state(described):
    return b"\x80\x02}" + text("w") + described + b"s."


def message(path):
    with pytest.raises(ModelError) as caught:
        read(path)
    assert "\x1b" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def bits(tensor):
    return tensor.dtype, tuple(tensor.shape), tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
    ],
)
def test_tensors_come_back_bit_for_bit(tmp_path, dtype):
    pattern = torch.arange(96, dtype=torch.uint8).repeat(8)  # some of these bits are NaN with a payload
    whole = pattern.view(dtype)
    content = {
        "whole": whole,
        "transposed": whole.reshape(-1, 12).T,
        "slice": whole[3:20:4],
        "row": whole.reshape(-1, 12)[2],
        "one": whole[5],
        "parameter": torch.nn.Parameter(whole, requires_grad=False),
        "none": whole[:0],
    }
    found = read(saved(tmp_path / "a.pt", content))
    assert list(found) == list(content)
    for name, expected in content.items():
        assert bits(found[name]) == bits(expected.detach()), name
        assert found[name].is_contiguous(), name
        assert not found[name].requires_grad, name
    found["whole"].zero_()
    assert bits(found["transposed"]) == bits(content["transposed"])  # memory of their own


def test_what_is_not_asked_for_is_not_read(tmp_path):
    path = saved(tmp_path / "a.pt", {"wanted": torch.ones(5), "optimiser": torch.full((4096,), 7.0)})
    content = bytearray(path.read_bytes())
    start = content.index(struct.pack("<f", 7.0) * 100)
    content[start] ^= 1
    path.write_bytes(content)
    assert read(path, ["wanted"])["wanted"].tolist() == [1] * 5
    assert message(path) == "the record data/1 is damaged (its checksum is wrong): copy the file again"


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (torch.eye(3).to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (torch.ones(3, device="meta"), "torch._utils._rebuild_meta_tensor_no_storage"),
        (torch.ones(3, dtype=torch.complex64), "torch.ComplexFloatStorage"),
        (torch.ones(3, dtype=torch.uint16), "torch._utils._rebuild_tensor_v3"),
        (torch.ones(3, dtype=torch.complex64).conj(), "torch.ComplexFloatStorage"),
        (torch.ones(3, dtype=torch.complex64).conj().imag, "torch.FloatStorage"),
    ],
)
def test_tensors_that_are_not_plain_and_dense_are_refused(tmp_path, tensor, kind):
    found = message(saved(tmp_path / "a.pt", {"w": tensor}))
    if kind == "torch.FloatStorage":  # one that is to be read with its sign turned
        assert found == "w: the tensor's description is malformed: copy the file again"
    else:
        assert found.startswith(f"asks for {kind}, which is not among the names known to be harmless")


class Hostile:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("inside", [lambda bad: bad, lambda bad: {"w": bad}, lambda bad: {"h": [{"k": (1, bad)}]}])
def test_a_call_of_the_system_is_refused_whatever_the_pickle(tmp_path, canary, protocol, inside):
    from os import system

    data = pickle.dumps(inside(Hostile(system, f"touch {canary}")), protocol)
    found = message(archive(tmp_path / "a.pt", data))
    if protocol == 2:
        assert found == (
            "asks for posix.system, which is not among the names known to be harmless; nothing of it was run. Load it "
            "by no other means unless you trust whoever made it"
        )
    else:
        assert "which is not among the " in found
        assert "nothing of it was run" in found


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (b"cos\nsystem\n%s\x85R.", "os.system"),
        (b"cposix\nsystem\n%s\x85R.", "posix.system"),
        (b"cnt\nsystem\n%s\x85R.", "nt.system"),
        (b"csubprocess\nPopen\n%s\x85R.", "subprocess.Popen"),
        (b"c__builtin__\neval\n%s\x85R.", "__builtin__.eval"),
        (b"cbuiltins\nexec\n%s\x85R.", "builtins.exec"),
        (b"cbuiltins\ngetattr\n%s\x85R.", "builtins.getattr"),
        (b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.", "builtins.bytearray"),
        (b"c_codecs\nencode\n%s\x85R.", "_codecs.encode"),
        (b"ctorch\nTensor\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85\x81.", "torch.Tensor"),
        (b"ctorch\nFloatTensor\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85\x81.", "torch.FloatTensor"),
        (b"ctorch\nUntypedStorage\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.", "torch.UntypedStorage"),
        (b"ctorch.hub\nload\n%s\x85R.", "torch.hub.load"),
        (b"comegaconf.omegaconf\nOmegaConf.create\n%s\x85R.", "omegaconf.omegaconf.OmegaConf.create"),
        (b"comegaconf.dictconfig\nDictConfig.__init__.__globals__\n.", "omegaconf.dictconfig.DictConfig.__init__"),
        (b"ccollections\nOrderedDict os.system\n.", "collections.OrderedDict os.system"),
        (b"c\x1b[2Jos\nsystem\n.", r"'\x1b[2Jos.system'"),
        (b"c" + b"a" * 500 + b"\nb\n.", "a" * 100 + "..."),
    ],
)
def test_every_name_that_is_not_known_to_be_harmless_is_refused_by_name(tmp_path, canary, data, asked):
    data = b"\x80\x02" + data.replace(b"%s", text(f"touch {canary}"))
    assert message(archive(tmp_path / "a.pt", data)).startswith(f"asks for {asked}")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            b"(%sios\nsystem\n.",
            "has the pickle instruction INST, which is not among the ones that torch.save writes; nothing of it was",
        ),
        (b"(cos\nsystem\n%so.", "asks for os.system"),
        (b"(ccollections\nOrderedDict\no.", "has the pickle instruction OBJ, which is not among the ones"),
        (b"\x8c\x02os\x8c\x06system\x93%s\x85R.", "has the pickle instruction SHORT_BINUNICODE, which"),
        (b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93%s\x85R.", "has the pickle instruction STACK_GLOBAL, which"),
        (b"\x82\x01.", "has the pickle instruction EXT1, which"),
        (b"Pos.system\n.", "has the pickle instruction PERSID, which"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\x00\x00.", "has the pickle instruction BINBYTES8, which"),
        (b"\x80\x04N.", "is a pickle of protocol 4, which is not among the protocols that torch.save uses"),
        (b"I" + b"9" * 5000 + b"\n.", "has the pickle instruction INT, which"),
        (b"\xff.", "its pickle is malformed"),
    ],
)
def test_instructions_that_torch_does_not_write_are_refused(tmp_path, canary, data, found):
    data = b"\x80\x02" + data.replace(b"%s", text(f"touch {canary}"))
    assert message(archive(tmp_path / "a.pt", data)).startswith(found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80",
        b"NN.",
        b"(N.",
        b"N",
        b"R.",
        b"NR.",
        b"NNR.",
        b")\x81.",
        b"N)R.",
        b"ccollections\nOrderedDict\nNR.",
        b"b.",
        b"NNb.",
        b"](b.",
        b"Q.",
        b"a.",
        b"Na.",
        b"NNa.",
        b"e.",
        b"N(Ne.",
        b"s.",
        b"NNs.",
        b"NNNs.",
        b"}(Nu.",
        b"}NNs.",
        b"}]Ns.",
        b"}}Ns.",
        b"})Ns.",
        b"}G\x7f\xf8\x00\x00\x00\x00\x00\x00Ns.",
        b"}\x8a\x05\x00\x00\x00\x00\x01Ns.",
        b"\x85.",
        b"N\x86.",
        b"NN\x87.",
        b"t.",
        b"h\x00.",
        b"j\x00\x00\x00\x00.",
        b"q\x00.",
        b"r\x00\x00\x00\x00.",
        b"cos\n",
        b"c\xff\n\xff\n.",
        b"X\xff\xff\xff\xffabc.",
        b"X\x02\x00\x00\x00\xff\xff.",
        b"\x8a\xff.",
        b"G\x00.",
        b"K",
        b"X\x00",
        b"cos",
        b"c\\ \n\xe9\n.",
    ],
)
def test_malformed_pickles_are_refused(data):
    with pytest.raises(ModelError, match=r"^there: (its pickle is malformed: copy the file again|asks for)"):
        read_pickle(data if data.startswith(b"\x80") else b"\x80\x02" + data, "there")


def test_texts_that_are_no_unicode_are_kept_as_python_keeps_them():
    assert read_pickle(b"\x80\x02X\x03\x00\x00\x00\xed\xa0\x80.", "there") == "\ud800"


COPIES = b"X\x00\x10\x00\x00" + b"x" * 4096 + b"q\x00"
PAIRS = b"}(" + b"".join(b"M" + struct.pack("<H", index) + b"N" for index in range(5000)) + b"uq\x00"


@pytest.mark.parametrize(
    "data",
    [
        COPIES + b"c__builtin__\nlist\nq\x01](" + b"h\x01h\x00\x85R" * MANY + b"e\x86.",
        COPIES + b"c__builtin__\nlist\nq\x01](" + b"h\x01h\x00\x85\x81" * MANY + b"e\x86.",
        PAIRS + b"ccollections\nOrderedDict\nq\x01](" + b"h\x01h\x00\x85R" * MANY + b"e\x86.",
        PAIRS + b"ccollections\nOrderedDict\nq\x01](" + b"h\x01)Rh\x00b" * MANY + b"e\x86.",
        PAIRS + b"c__builtin__\ndict\nq\x01](" + b"h\x01h\x00\x85R" * MANY + b"e\x86.",
        PAIRS + b"comegaconf.nodes\nAnyNode\nq\x01](" + b"h\x01)\x81h\x00b" * MANY + b"e\x86.",
        b"Nq\x00" + b"h\x00h\x00\x86q\x00" * MANY + b"\x86.",
        b"]q\x00" + b"]h\x00ah\x00aq\x00" * MANY + b"e\x86.",
        b"N" + b"\x85" * MANY + b".",
        b"}K\x01" + b"\x85" * MANY + b"s.",
        b"}N" + b"\x85" * MANY + b"Ns.",
        b"(" * MANY + b".",
        b"}" * MANY + b".",
        b"Nr\xff\xff\xff\x7f.",
        b"c__builtin__\nint\n\x8a\xff" + b"\x7f" * 255 + b"\x85R.",
        b"](" + b"ctorch._utils\n_rebuild_tensor_v2\n)R" * 20_000 + b"e.",
    ],
)
def test_no_pickle_takes_memory_beyond_its_own_size(data):
    # Each of these would copy something large again and again, or recurse, in a machine that does what it is told.
    tracemalloc.start()
    try:
        read_pickle(b"\x80\x02" + data, "there")
    except ModelError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 64 * MEGABYTES


def test_the_pickle_of_an_archive_may_not_be_huge(tmp_path):
    path = archive(tmp_path / "a.pt", b"\x80\x02" + b"N0" * MEGABYTES + b"N.")
    assert message(path) == f"data.pkl: {2 * MEGABYTES + 4} bytes are too many for this record"


EIGHT = {"data/0": bytes(8)}


@pytest.mark.parametrize(
    ("described", "records", "found"),
    [
        (
            tensor(reference(n=10**12), size=(10**12,)),
            EIGHT,
            "its tensors are together larger than the file",
        ),
        (tensor(reference(n=3), size=(3,)), EIGHT, "w: 3 numbers of 4 bytes are announced, but 8 bytes are there"),
        (tensor(reference(n=1), size=(1,)), EIGHT, "w: 1 numbers of 4 bytes are announced, but 8 bytes are there"),
        (tensor(reference("DoubleStorage")), EIGHT, "w: 2 numbers of 8 bytes are announced, but 8 bytes are there"),
        (tensor(reference(), size=(3,)), EIGHT, "w: a tensor of 3 numbers does not fit into the 2 that were saved"),
        (tensor(reference(), size=(2,), stride=(2,)), EIGHT, "w: a tensor of 2 numbers does not fit into the 2"),
        (tensor(reference(), offset=1), EIGHT, "w: a tensor of 2 numbers does not fit into the 2 that were saved"),
        (tensor(reference(), size=(10**6, 10**6), stride=(0, 0)), EIGHT, "w: a tensor of 1000000x1000000 numbers does"),
        (tensor(reference(), size=(3,), stride=(0,)), EIGHT, "w: a tensor of 3 numbers does not fit"),
        (tensor(reference(), offset=-1), EIGHT, "w: the tensor's description is malformed"),
        (tensor(reference(), stride=(-1,)), EIGHT, "w: the tensor's description is malformed"),
        (tensor(reference(), size=(2, 1)), EIGHT, "w: the tensor's description is malformed"),
        (tensor(reference(n=1 << 62)), EIGHT, "w: the tensor's description is malformed"),
        (tensor(reference(n=True)), EIGHT, "w: the tensor's description is malformed"),
        (tensor(reference(), size=(0, 1 << 40, 1 << 40), stride=(1, 1, 1)), EIGHT, "w: the tensor's description is"),
        (tensor(reference(), size=(1,) * 9, stride=(1,) * 9), EIGHT, "w: the tensor's description is malformed"),
        (
            tensor(reference(), rest=b"\x89}}" + text("neg") + b"\x88s"),
            EIGHT,
            "w: the tensor's description is malformed",
        ),
        (tensor(reference(), rest=b""), EIGHT, "w: the tensor's description is malformed"),
        (tensor(b"N"), EIGHT, "w: the tensor's description is malformed"),
        (tensor(text("0") + b"Q"), EIGHT, "w: the tensor's description is malformed"),
        (tensor(reference(key="../0")), EIGHT, "the archive has no record 'data/../0'"),
        (tensor(reference(key="1")), EIGHT, "the archive has no record 'data/1'"),
        (tensor(reference()) + b"}b", EIGHT, "w is no plain dense tensor but torch._utils._rebuild_tensor_v2"),
        (b"ctorch._utils\n_rebuild_parameter\n)R", EIGHT, "w is no plain dense tensor but torch._utils._rebuild_par"),
        (b"ctorch._utils\n_rebuild_parameter\nN\x85R", EIGHT, "w is no plain dense tensor but NoneType"),
        (b"ctorch\nFloatStorage\n", EIGHT, "w is no plain dense tensor but torch.FloatStorage"),
        (b"K\x01", EIGHT, "w is no plain dense tensor but int"),
        (b"]", EIGHT, "w is no plain dense tensor but list"),
        (reference(), EIGHT, "w is no plain dense tensor but Stored"),
        (tensor(reference()), EIGHT | {"byteorder": b"big"}, "its byte order is 'big', not this machine's little"),
        (tensor(reference()), EIGHT | {"byteorder": b"x" * 17}, "byteorder: 17 bytes are too many for this record"),
    ],
)
def test_a_tensor_that_is_not_what_was_saved_for_it_is_refused(tmp_path, described, records, found):
    assert message(archive(tmp_path / "a.pt", state(described), records)).startswith(found)


def test_many_views_of_a_few_bytes_are_refused_before_they_become_many_bytes(tmp_path):
    n = MEGABYTES
    view = tensor(reference(n=n), size=(n,))
    data = b"\x80\x02}(" + b"".join(text(f"w{index}") + view for index in range(1000)) + b"u."
    found = message(archive(tmp_path / "a.pt", data, {"data/0": bytes(4 * n)}))
    assert found == "its tensors are together larger than the file"


@pytest.mark.parametrize("device", ["cpu", "cuda:7", "no such device"])
def test_weights_that_lay_on_any_device_are_read_into_memory(tmp_path, device):
    path = archive(tmp_path / "a.pt", state(tensor(reference(device=device))), {"data/0": struct.pack("<2f", 3, 4)})
    assert read(path)["w"].tolist() == [3, 4]


def test_a_compressed_record_is_refused_before_it_is_unpacked(tmp_path):
    data, zeros = state(tensor(reference(n=1 << 26), size=(1 << 26,))), {"data/0": bytes(1 << 28)}
    path = archive(tmp_path / "a.pt", data, zeros, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < MEGABYTES
    assert message(path) == "'archive/data.pkl' is compressed or encrypted, as torch.save never writes it"


def entry(path, name):
    """Find where an archive's directory tells of a record."""
    content = bytearray(path.read_bytes())
    return content, content.rindex(name.encode()) - 46


@pytest.mark.parametrize(
    ("at", "value", "found"),
    [
        (10, struct.pack("<H", 8), "'archive/data/0' is compressed or encrypted, as torch.save never writes it"),
        (8, struct.pack("<H", 1), "'archive/data/0' is compressed or encrypted, as torch.save never writes it"),
        (
            20,
            struct.pack("<I", 1000),
            "'archive/data/0' reaches over other records or beyond the end, or is there twice",
        ),
        (20, struct.pack("<II", 1 << 31, 1 << 31), "'archive/data/0' reaches over other records or beyond the end"),
        (20, struct.pack("<II", 4, 4), "the record data/0 is damaged (its checksum is wrong)"),
        (42, struct.pack("<I", 0), "'archive/data"),
        (42, struct.pack("<I", 1 << 30), "the archive is damaged"),
        (16, struct.pack("<I", 7), "the record data/0 is damaged (its checksum is wrong)"),
        (0, b"XX", "the archive is cut off or damaged"),
    ],
)
def test_a_directory_that_does_not_add_up_is_refused(tmp_path, at, value, found):
    path = archive(tmp_path / "a.pt", state(tensor(reference())), EIGHT)
    content, start = entry(path, "archive/data/0")
    content[start + at : start + at + len(value)] = value
    path.write_bytes(content)
    assert message(path).startswith(found)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_record_that_is_there_twice_is_refused(tmp_path):
    path = archive(tmp_path / "a.pt", state(tensor(reference())), EIGHT)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/data/0", bytes(8))
    assert message(path).startswith("'archive/data/0' reaches over other records or beyond the end, or is there twice")


def test_a_directory_that_says_it_is_huge_is_not_read(tmp_path):
    path = archive(tmp_path / "a.pt", state(tensor(reference())), EIGHT)
    with path.open("r+b") as file:
        file.truncate(1 << 31)  # a hole, which takes no space
        file.seek(0, io.SEEK_END)
        file.write(b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, (1 << 31) - 100, 100, 0))
    assert message(path) == "the archive is cut off or damaged: copy the file again"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "the file is empty: copy it again"),
        (b"P", "not a file of torch.save: give an original .ckpt, or a folder with config.json and model.safetensors"),
        (b"PK", "the archive is cut off or damaged: copy the file again"),
        (b"\x89HDF\r\n\x1a\n" + bytes(1000), "not a file of torch.save: give an original .ckpt, or a folder with"),
        (pickle.dumps({"w": 1}, 2), "a bare pickle, as torch.save wrote before torch 1.6: load it where it was made"),
        (pickle.dumps({"w": 1}, 5), "a bare pickle"),
    ],
)
def test_what_is_no_archive_is_refused_with_what_to_do(tmp_path, content, found):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    assert message(path).startswith(found)


def test_the_old_format_of_torch_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert message(path) == (
        "a bare pickle, as torch.save wrote before torch 1.6: load it where it was made, if you trust it, and save it "
        "again with a later torch"
    )


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("holiday.jpg", b"")
    assert message(path) == "the archive has no data.pkl: it was not written by torch.save"
    with zipfile.ZipFile(path, "w"):
        pass
    assert message(path) == "the archive has no data.pkl: it was not written by torch.save"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    assert message(tmp_path) == "cannot be read: Is a directory"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    torch.manual_seed(1)
    weights = {f"layer.{index}": torch.randn(index + 1, 3) for index in range(4)} | {"steps": torch.tensor(7)}
    return saved(tmp_path_factory.mktemp("small") / "a.pt", weights).read_bytes(), weights


def read_or_refuse(path: Path, content):
    path.write_bytes(content)
    try:
        return read(path)
    except ModelError:
        return None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_that_was_cut_off_is_refused_wherever(tmp_path, small, data):
    content, _ = small
    length = data.draw(st.integers(0, len(content) - 1))
    assert read_or_refuse(tmp_path / "a.pt", content[:length]) is None


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_byte_is_noticed_or_makes_no_difference(tmp_path, canary, small, data):
    content, weights = bytearray(small[0]), small[1]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    found = read_or_refuse(tmp_path / "a.pt", bytes(content))
    if found is not None:
        assert {name: bits(tensor) for name, tensor in found.items()} == {
            name: bits(tensor) for name, tensor in weights.items()
        }


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_pickle_of_any_bytes_is_read_or_refused(tmp_path, canary, small, data):
    with zipfile.ZipFile(io.BytesIO(small[0])) as file:
        records = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    content = bytearray(records.pop("data.pkl"))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 8))
        content[start : start + length] = data.draw(st.binary(max_size=8))
    read_or_refuse(archive(tmp_path / "a.pt", bytes(content), records), (tmp_path / "a.pt").read_bytes())


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                *(b"N", b"]", b"}", b")", b"(", b"t", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s", b"u", b"R", b"\x81"),
                *(b"b", b"Q", b"q\x00", b"h\x00", b"K\x01", b"\x88", text("w"), b"ccollections\nOrderedDict\n"),
                *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"comegaconf.nodes\nAnyNode\n"),
                *(reference(), tensor(reference())),
            ]
        ),
        max_size=40,
    )
)
def test_harmless_instructions_in_any_order_are_followed_or_refused(instructions):
    try:
        read_pickle(b"\x80\x02" + b"".join(instructions) + b".", "there")
    except ModelError as error:
        assert "malformed" in str(error)  # noqa: PT017
