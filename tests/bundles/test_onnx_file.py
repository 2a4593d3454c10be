"""The ONNX walk against files that onnx itself makes, and against hostile ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from edged.bundles import BundleRefused, Rules, open_source, verify
from edged.bundles.onnx_file import OnnxFile, read

from .maker import MODEL, write


def walk(data: bytes) -> OnnxFile:
    return read(lambda offset, count: data[offset : offset + count], len(data))


def tensor(location: str) -> Any:
    made = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    made.external_data.add(key="location", value=location)
    made.external_data.add(key="offset", value="0")
    return made


def model(graph: Any = None, **more: Any) -> Any:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [None, 4])
    graph = graph or helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], **more)


def places() -> dict[str, Any]:
    """A model with external weights at every place where a tensor may be."""
    made = {
        name: model() for name in ("initializer", "sparse", "attribute", "tensors", "subgraph", "function", "training")
    }
    made["initializer"].graph.initializer.append(tensor("w.bin"))
    sparse = onnx.SparseTensorProto(values=tensor("w.bin"), dims=[4])
    made["sparse"].graph.sparse_initializer.append(sparse)
    node = {name: made[name].graph.node[0].attribute for name in ("attribute", "tensors", "subgraph")}
    node["attribute"].add(name="a", t=tensor("w.bin"))
    node["tensors"].add(name="a", tensors=[tensor("w.bin")], sparse_tensors=[sparse])
    inner = onnx.GraphProto(name="inner", initializer=[tensor("w.bin")])
    node["subgraph"].add(name="a", graphs=[onnx.GraphProto(node=[onnx.NodeProto(attribute=[
        onnx.AttributeProto(name="b", g=inner)])])])  # fmt: skip
    function = made["function"].functions.add(name="f")
    function.node.add(op_type="Constant").attribute.add(name="value", t=tensor("w.bin"))
    made["training"].training_info.add().algorithm.CopyFrom(inner)
    return made


def test_the_example() -> None:
    found = walk(MODEL)
    assert (found.ir_version, found.opset, found.locations) == (8, 17, ())
    assert [(p.name, p.dtype, p.shape) for p in found.inputs] == [("window", "float32", ("batch", 64))]
    assert [p.name for p in found.outputs] == ["score", "reconstruction"]


def test_ports() -> None:
    made = model()
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4]))
    made.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, [4], [1.0] * 4))
    found = walk(made.SerializeToString())
    assert [p.name for p in found.inputs] == ["x"]
    assert [(p.name, p.dtype, p.shape) for p in found.outputs] == [("y", "int64", (None, 4))]


@pytest.mark.parametrize("place", places())
@pytest.mark.parametrize(
    "location", ["w.bin", "../w.bin", "/etc/passwd", "sub/../w.bin", "", "*/_ORT_MEM_ADDR_/*", "w2.bin"]
)
def test_external_data(tmp_path: Path, place: str, location: str) -> None:
    made = places()[place]
    assert walk(made.SerializeToString()).locations == ("w.bin",)
    swapped = rewrite(made, location).SerializeToString()
    bundle = write(tmp_path, {"model.onnx": swapped, "w.bin": b"\0" * 16})
    with open_source(bundle) as source:
        if location == "w.bin":
            assert verify(source, Rules()).manifest.total > 16
            return
        with pytest.raises(BundleRefused) as caught:
            verify(source, Rules())
    assert caught.value.code == "external_data"


def rewrite(message: Any, location: str) -> Any:
    """Every external tensor reads from ``location``."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if isinstance(part, onnx.StringStringEntryProto) and part.key == "location":
                part.value = location
            rewrite(part, location)
    return message


def test_a_weight_file_beside_a_model_in_a_folder(tmp_path: Path) -> None:
    made = model()
    made.graph.initializer.append(tensor("w.bin"))
    raw = made.SerializeToString()
    files = {"model.onnx": MODEL, "more/second.onnx": raw, "more/w.bin": b"\0" * 16}
    with open_source(write(tmp_path / "a", files)) as source:
        assert len(verify(source, Rules()).manifest.files) == 3
    files = {"model.onnx": MODEL, "more/second.onnx": raw, "w.bin": b"\0" * 16}
    with open_source(write(tmp_path / "b", files)) as source, pytest.raises(BundleRefused) as caught:
        verify(source, Rules())
    assert caught.value.code == "external_data"


def test_a_key_given_twice_hides_nothing() -> None:
    # protobuf: the last one counts. Here either does.
    def entry(*fields: tuple[int, bytes]) -> bytes:
        return b"".join(bytes([number << 3 | 2, len(value)]) + value for number, value in fields)

    for fields in (((1, b"x"), (1, b"location"), (2, b"evil")), ((2, b"a"), (1, b"location"), (2, b"evil"))):
        weights = entry((13, entry(*fields)), (8, b"w"))
        raw = model().SerializeToString() + entry((7, entry((5, weights))))
        assert "evil" in walk(raw).locations


def nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # attribute.g, node.attribute, graph.node
            inner = tag + varint(len(inner)) + inner
    return b"\x08\x08" + b"\x3a" + varint(len(inner)) + inner


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


HOSTILE = {
    "empty": b"",
    "deep": nested(5000),
    "many": b"\x3a" + varint(8_000_000) + b"\x0a\x00" * 4_000_000,
    "beyond": b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x",
    "endless number": b"\x08" + b"\xff" * 20,
    "group": b"\x0b\x0c",
    "field 0": b"\x00\x00",
    "no graph": b"\x08\x08",
    "no opset": b"\x08\x08\x3a\x00",
    "long name": b"\x3a" + varint(70_000) + b"\x5a" + varint(69_990) + b"\x0a" + varint(69_980) + b"n" * 69_990,
    "not utf-8": b"\x3a\x06\x5a\x04\x0a\x02\xff\xfe",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    with pytest.raises(BundleRefused) as caught:
        walk(HOSTILE[name])
    assert caught.value.code == "malformed_model"


def test_depth_that_real_models_have() -> None:
    assert walk(nested(20) + b"\x42\x02\x10\x11").opset == 17
