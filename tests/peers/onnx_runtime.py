"""Checks our ONNX files with the ONNX checker, and their numbers in ONNX Runtime.

Usage: onnx_runtime.py VLUNET_BINARY WORK_FOLDER
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tomllib

import numpy as np
import onnx
import onnxruntime
from PIL import Image

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


def integers(binary, work, nano, golden):
    """The int8 model: our kernels against ONNX Runtime's, on one picture of bytes."""
    pixels = (golden["image"][0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
    picture, restored = work / "golden.png", work / "golden.int8.png"
    Image.fromarray(pixels).save(picture)
    command = [binary, "restore", picture, "-m", nano, "--dtype", "int8", "--task", "low-light", "-o", restored]
    subprocess.run([str(part) for part in command], check=True)
    ours = np.asarray(Image.open(restored).convert("RGB"), np.float32)

    prompts = tomllib.loads((nano / "manifest.toml").read_text())["prompts"]
    row = next(at for at, prompt in enumerate(prompts) if prompt["task"] == "low-light")
    features = safetensors(nano / "prompts.safetensors")["text_features"]
    image = (pixels.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
    theirs = session(nano / "restorer.int8.onnx")
    (theirs,) = theirs.run(["restored"], {"image": image, "degradation": features[row : row + 1]})
    theirs = np.clip(theirs[0].transpose(1, 2, 0), 0, 1) * 255
    error = np.abs(theirs - ours)
    print(f"nano in int8, steps of 8 bits: mean error {error.mean():.3f}, max {error.max():.1f}")
    # A value between two steps goes to either as the floats before it come out, and what follows goes
    # with it: the model differs from itself by 1.5 (RMS) on a picture moved by 4e-6. Each layer by
    # itself agrees to the step with what the format defines (src/backend/tract/lower/tests.rs).
    assert error.mean() < 1.2 and np.quantile(error, 0.99) < 5, "the int8 model differs"


def main():
    binary, work = sys.argv[1], pathlib.Path(sys.argv[2])

    nano = ROOT / "models" / "nano"
    golden = safetensors(nano / "golden.safetensors")
    restorer = session(nano / "restorer.f32.onnx")
    (restored,) = restorer.run(["restored"], {k: golden[k] for k in ("image", "degradation")})
    compare("nano on its golden frame", restored, golden["restored"])
    integers(binary, work, nano, golden)

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
