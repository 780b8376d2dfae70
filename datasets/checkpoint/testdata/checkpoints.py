#!/usr/bin/python3
"""Writes checkpoints with PyTorch and says what they hold, for the tests of this folder's package.

  checkpoints.py fixtures DIR    the committed files: legacy.pth, zip.pth, model.safetensors, expected.json
  checkpoints.py views DIR       files with views, all data types, nestings
  checkpoints.py describe FILE.. JSON on stdout: per file, per tensor, its data type, shape and the SHA-256
                                 of its elements as little-endian float32, row-major

Written for torch 1.13. Run twice, it writes the same bytes, but for the storage keys of the legacy
format, which are memory addresses.
"""
import hashlib
import json
import os
import struct
import sys
from collections import OrderedDict

import torch

SAFETENSORS = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
               torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
               torch.uint8: "U8", torch.bool: "BOOL"}


def raw(tensor):
    """The tensor's bytes, row-major, little-endian, of its own type."""
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def save_safetensors(tensors, path):
    header, data = OrderedDict(__metadata__={"format": "pt"}), b""
    for name, t in tensors.items():
        header[name] = {"dtype": SAFETENSORS[t.dtype], "shape": list(t.shape),
                        "data_offsets": [len(data), len(data) + len(raw(t))]}
        data += raw(t)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def save_legacy(obj, path):
    torch.save(obj, path, _use_new_zipfile_serialization=False)


def model(block):
    """A few tensors under OFA's names; block is the elder or the newer name of a block's convolution."""
    g = torch.Generator().manual_seed(20240607)

    def normal(*shape):
        return torch.randn(*shape, generator=g)

    prefix = "blocks.1." + block + "."
    tied = normal(3, 4)
    return OrderedDict([
        ("first_conv.conv.weight", normal(4, 3, 3, 3)),
        (prefix + "inverted_bottleneck.conv.weight", normal(6, 4, 1, 1)),
        (prefix + "depth_conv.conv.conv.weight", normal(6, 1, 3, 3)),
        (prefix + "depth_conv.bn.bn.running_var", normal(6).abs()),
        (prefix + "depth_conv.bn.bn.num_batches_tracked", torch.tensor(1234567, dtype=torch.int64)),
        ("classifier.linear.weight", tied.t()),            # a view: transposed
        ("classifier.tied", tied[1:, ::2]),                # a view with an offset
        ("half", normal(5).half()),
        ("bfloat16", normal(5).bfloat16()),
        ("double", normal(5).double() / 3),
        ("special", torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])),
        ("empty", torch.zeros(0, 3)),
    ])


def fixtures(folder):
    newer, elder = model("conv"), model("mobile_inverted_conv")
    save_legacy(newer, os.path.join(folder, "legacy.pth"))
    torch.save({"state_dict": elder, "epoch": 7}, os.path.join(folder, "zip.pth"))
    save_safetensors(newer, os.path.join(folder, "model.safetensors"))
    values = [{"name": k, "dtype": str(t.dtype).replace("torch.", ""), "shape": list(t.shape),
               "data": [str(float(x)) for x in t.float().flatten()]} for k, t in newer.items()]
    with open(os.path.join(folder, "expected.json"), "w") as f:
        f.write("[\n " + ",\n ".join(json.dumps(v) for v in values) + "\n]\n")


def views(folder):
    g = torch.Generator().manual_seed(99)
    base = torch.randn(7, 6, 5, 4, generator=g)
    tensors = OrderedDict([
        ("base", base),
        ("permuted", base.permute(3, 1, 0, 2)),
        ("sliced", base[2:6, 1::2, :, 1:3]),
        ("channels_last", base.contiguous(memory_format=torch.channels_last)),
        ("column", base[:, 0, 0, 0]),
        ("scalar", base[3, 2, 1, 0]),
        ("expanded", base[0, 0, 0, :1].expand(3, 8)),
        ("overlapping", base.as_strided((4, 5), (2, 3), 11)),
        ("big", torch.randn(257, 131, generator=g)),       # more elements than one reading step
        ("big_transposed", torch.randn(257, 131, generator=g).t()),
        ("ones", torch.ones(1, 1, 4, 1).transpose(0, 2)),
        ("none", base[:, :0]),
    ])
    parameter = torch.nn.Parameter(base[1].clone())
    types = OrderedDict()
    for name in ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]:
        dtype = getattr(torch, name)
        x = (torch.randn(40, 9, generator=g) * 50).abs() if name == "uint8" else torch.randn(40, 9, generator=g) * 50
        types[name] = x.to(dtype)
        types[name + ".view"] = x.to(dtype).t()[1:, 3::5]
    types["int64.large"] = torch.tensor([2**24 + 1, 2**53 + 1, -2**63, 2**63 - 1])
    types["float64.rounded"] = torch.tensor([1 + 2.0**-24, 1 + 3 * 2.0**-24, 1e300, 1e-310], dtype=torch.float64)
    halves = torch.arange(0, 2**16, 1, dtype=torch.int32).to(torch.int16).view(torch.float16)
    types["float16.all"] = halves[~torch.isnan(halves)]
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    for name, obj in [("views", tensors), ("types", types), ("nested", {"state_dict": dict(tensors), "epoch": 3}),
                      ("parameter", {"p": parameter}), ("module", module.state_dict())]:
        torch.save(obj, os.path.join(folder, name + "_zip.pth"))
        save_legacy(obj, os.path.join(folder, name + "_legacy.pth"))
    save_safetensors(types, os.path.join(folder, "types.safetensors"))
    # what must be refused
    torch.save(module, os.path.join(folder, "refused_module.pth"))
    torch.save({"s": torch.eye(3).to_sparse()}, os.path.join(folder, "refused_sparse.pth"))
    torch.save({"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)},
               os.path.join(folder, "refused_quantised.pth"))
    torch.save({"c": torch.ones(2, dtype=torch.complex64)}, os.path.join(folder, "refused_complex.pth"))
    torch.jit.script(module).save(os.path.join(folder, "refused_script.pth"))
    torch.save(tensors, os.path.join(folder, "refused_protocol.pth"), pickle_protocol=4)


def describe(paths):
    out = []
    for path in paths:
        root = torch.load(path, map_location="cpu")
        state = root.get("state_dict", root)
        tensors = []
        for name, t in state.items():
            data = t.detach().to(torch.float32).contiguous().numpy().astype("<f4")
            tensors.append({"name": name, "dtype": str(t.dtype).replace("torch.", ""), "shape": list(t.shape),
                            "sha256": hashlib.sha256(data.tobytes()).hexdigest()})
        out.append({"path": path, "tensors": tensors})
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    {"fixtures": lambda a: fixtures(*a), "views": lambda a: views(*a), "describe": describe}[sys.argv[1]](sys.argv[2:])
