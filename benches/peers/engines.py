"""One engine with one model in a process of its own, which runs when it is told to.

    python engines.py ENGINE MODEL.onnx INPUTS.npz THREADS WORK_FOLDER

Lines in: `SECONDS` runs for that long, `write PATH` writes an output. Lines out: JSON.
"""

import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np

LEAST_RUNS = 3


class Refused(Exception):
    """The engine doesn't take the model; says why in a few words."""


def onnxruntime(model, inputs, threads, _):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # The sizes are known before, as they are to the other engines.
    options.add_free_dimension_override_by_name("H", inputs["image"].shape[2])
    options.add_free_dimension_override_by_name("W", inputs["image"].shape[3])
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)[0]


def openvino(model, inputs, threads, _, **more):
    import openvino as ov

    core = ov.Core()
    network = core.read_model(model)
    network.reshape({name: list(value.shape) for name, value in inputs.items()})
    compiled = core.compile_model(network, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", **more})
    request = compiled.create_infer_request()
    return lambda: request.infer(inputs, share_inputs=True, share_outputs=True)[0]


def openvino_float(model, inputs, threads, work):
    """An int8 file without OpenVINO's low-precision kernels: values are rounded and computed in float."""
    return openvino(model, inputs, threads, work, LP_TRANSFORMS_MODE="NO")


def ncnn(model, inputs, threads, work):
    import ncnn as engine

    sizes = [list(value.shape) for value in inputs.values()]
    key = hashlib.sha256(model.read_bytes() + json.dumps(sizes).encode()).hexdigest()[:16]
    folder = work / f"ncnn-{key}"
    param, script = folder / "net.ncnn.param", folder / "net_ncnn.py"
    if not (folder / "done").exists():
        convert(model, folder, sizes)
    text = param.read_text()
    strange = re.findall(r"^(\S*[.:]\S*|\w*Linear)\s+\S+\s+\d+ \d+ ", text, re.M)
    if strange:
        raise Refused(f"not convertible: pnnx leaves {', '.join(sorted(set(strange)))}")
    batches = [int(at) for at in re.findall(r"in\d+\.numpy\(\), batch_index=(\d+)", script.read_text())]
    (batch,) = (int(at) for at in re.findall(r"out0\.numpy\(batch_index=(\d+)", script.read_text()))
    net = engine.Net()
    option = net.opt
    option.num_threads, option.lightmode = threads, True
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(option, "use_" + name, False)
    if net.load_param(str(param)) or net.load_model(str(folder / "net.ncnn.bin")):
        raise Refused("not convertible: ncnn cannot load what pnnx made")
    mats = [engine.Mat(value, batch_index=at).clone() for value, at in zip(inputs.values(), batches, strict=True)]

    def run():
        with net.create_extractor() as extractor:
            extractor.set_light_mode(True)
            for at, mat in enumerate(mats):
                extractor.input(f"in{at}", mat)
            code, out = extractor.extract("out0")
            if code:
                raise Refused(f"not convertible: ncnn stops with {code}")
            return out.numpy(batch_index=batch)

    return run


def convert(model, folder, sizes):
    """pnnx, and what it forgets: a Split in equal parts, which our files have along the channels."""
    folder.mkdir(exist_ok=True)
    (folder / "net.onnx").write_bytes(model.read_bytes())
    program = importlib.metadata.distribution("pnnx").locate_file("pnnx/pnnx")
    shapes = ",".join(f"{json.dumps(size, separators=(',', ':'))}f32" for size in sizes)
    try:
        done = subprocess.run([program, "net.onnx", f"inputshape={shapes}", "fp16=0"],
                              cwd=folder, capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise Refused("not convertible: pnnx takes more than 300 s") from None
    param = folder / "net.ncnn.param"
    if done.returncode or not param.exists():
        raise Refused(f"not convertible: pnnx ends with {done.returncode}")

    def parts(line):
        return f"{line[1]} -23300={line[2]}" + ",-233" * int(line[2]) + " 1=0"

    # Lines `Slice name 1 N input outputs...` that say nothing of sizes: -233 is "an equal share".
    text = re.sub(r"^(Slice\s+\S+\s+1 (\d+) [^=\n]*?)\s*$", parts, param.read_text(), flags=re.M)
    param.write_text(text)
    (folder / "done").touch()


def main():
    # Whatever libraries print goes to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**facts):
        print(json.dumps(facts), file=answers, flush=True)

    engine, model, inputs, threads, work = sys.argv[1:]
    inputs = {name: np.ascontiguousarray(value) for name, value in np.load(inputs).items()}
    try:
        run = globals()[engine](pathlib.Path(model), inputs, int(threads), pathlib.Path(work))
        run()
        run()
    except Exception as error:  # of any engine: it is a cell of the table
        text = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        answer(error=re.sub(r"\s+", " ", text)[:160])
        return
    answer(ready=True)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "write":
            np.save(rest, np.asarray(run()))
            answer(written=rest)
            continue
        run()
        times, start = [], time.perf_counter()
        while len(times) < LEAST_RUNS or time.perf_counter() - start < float(word):
            before = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - before))
        answer(median_ms=float(np.median(times)), runs=len(times))


if __name__ == "__main__":
    main()
