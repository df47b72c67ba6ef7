"""Checks our ONNX files with the ONNX checker, and their numbers in ONNX Runtime.

Usage: onnx_runtime.py VLUNET_BINARY WORK_FOLDER
"""

import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4
ROOT = pathlib.Path(__file__).resolve().parents[2]
DTYPES = {"F32": np.float32, "I32": np.int32}


def safetensors(path):
    """The tensors of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: np.frombuffer(body[slice(*info["data_offsets"])], DTYPES[info["dtype"]]).reshape(info["shape"])
        for name, info in header.items()
        if name != "__metadata__"
    }


def session(path):
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def compare(what, found, expected, relative=False):
    scale = float(np.abs(expected).max()) if relative else 1.0
    error = float(np.abs(found - expected).max()) / scale
    print(f"{what}: max {'relative' if relative else 'abs'} error {error:.1e}")
    assert error <= TOLERANCE, f"{what} is off by {error}"


def main():
    binary, work = sys.argv[1], pathlib.Path(sys.argv[2])

    nano = ROOT / "models" / "nano"
    golden = safetensors(nano / "golden.safetensors")
    restorer = session(nano / "restorer.f32.onnx")
    (restored,) = restorer.run(["restored"], {k: golden[k] for k in ("image", "degradation")})
    compare("nano on its golden frame", restored, golden["restored"])

    shared = pathlib.Path(os.environ.get("VLUNET_DATA", ROOT.parent / "shared")) / "golden"
    if not shared.exists():
        print(f"skipped: {shared} is not there, so no authors' checkpoint is compared")
        return
    bundle = work / "authors"
    subprocess.run([binary, "import", str(shared / "lightning.ckpt"), "-o", str(bundle)], check=True)
    io = safetensors(shared / "restorer_io.safetensors")
    restorer = session(bundle / "restorer.f32.onnx")
    for case in ("case0", "case1"):
        inputs = {k: io[f"{case}.{k}"] for k in ("image", "degradation")}
        (restored,) = restorer.run(["restored"], inputs)
        compare(f"authors' restorer, {case}", restored, io[f"{case}.restored"])
    io = safetensors(shared / "vlm_io.safetensors")
    tower = session(bundle / "vlm.f32.onnx")
    for photo in ("photo0", "photo1"):
        (vector,) = tower.run(["degradation"], {"image": io[f"{photo}.clip_input"]})
        compare(f"authors' image tower, {photo}", vector, io[f"{photo}.degradation"], relative=True)


main()
