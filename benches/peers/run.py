"""vlunet against other engines: the same networks, sizes and threads, in turns.

    python3 benches/peers/run.py --binary target/release/vlunet --install

Takes Python 3.11. The other engines go into a virtual environment (--venv). README.md has the rest.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ["numpy", "onnx", "onnxruntime", "openvino", "ncnn", "pypng"]
# name: model, part, number format, size, size with --quick
WORKS = {
    "nano": ("nano", "restorer", "f32", (640, 368), (160, 96)),
    "dim16": ("dim16", "restorer", "f32", (640, 360), (160, 88)),
    "dim16-256": ("dim16", "restorer", "f32", (256, 256), (64, 64)),
    "full": ("full", "restorer", "f32", (256, 256), (64, 64)),
    "nano-int8": ("nano", "restorer", "int8", (640, 368), (160, 96)),
    "vlm": ("nano", "vlm", "f32", (224, 224), (224, 224)),
    "vlm-int8": ("nano", "vlm", "int8", (224, 224), (224, 224)),
}
OURS = {"vlunet": "auto", "tract alone": "tract"}
PEERS = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "OpenVINO, int8 off": "openvino_float", "ncnn": "ncnn"}
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TASK = "derain"
TOLERANCE = 1e-3
# An int8 output may be that much farther from f32 than ONNX Runtime's is with the same file.
TOLERANCE_DB = 3.0
TURN_SECONDS, PAUSE = 2.0, 0.2
METHOD = """\
Engines take turns: {rounds} rounds, in each {seconds:g} s of runs after warming up. A turn's number is the median of
its runs; the table has the median, the lowest and the highest of the turns. Errors and PSNR are to ONNX Runtime in
float32; WRONG is an error above 1e-3 of the largest number, or int8 that is 3 dB farther from it than ONNX Runtime's.
Our output comes by `vlunet restore` and a PNG of 16 bits, whose rounding alone is 8e-6; our time includes copying the
picture in and out."""
FLAGS = ["avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16",
         "amx_int8", "amx_bf16", "asimddp", "i8mm", "fphp", "sve"]


class Failed(Exception):
    """What stands in the table in place of a number."""


def vlunet(args, *words):
    done = subprocess.run([args.binary, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or [f"ends with {done.returncode}"])[0][:160])
    return done.stdout


def knows(args, command, flag):
    """Whether the program has that flag: older ones lack some."""
    return flag in vlunet(args, command, "--help").split()


class Ours:
    """The program itself, started for each turn; it warms up before its clock starts."""

    def __init__(self, args, work, threads, engine):
        self.args, self.work, self.threads = args, work, threads
        flags = {"--engine": [engine], "--vlm": []}
        wanted = ["--engine"] * (engine == "tract" or knows(args, "bench", "--engine"))
        wanted += ["--vlm"] * (work.part == "vlm")
        missing = [flag for flag in wanted if not knows(args, "bench", flag)]
        if missing:
            raise Failed(f"this `vlunet bench` has no {missing[0]}")
        self.flags = [word for flag in wanted for word in (flag, *flags[flag])]
        self.model = ["--model", work.bundle, "--dtype", work.dtype, "--threads", threads]

    def turn(self, seconds):
        size = "{}x{}".format(*self.work.size)
        out = vlunet(self.args, "bench", "--json", "--size", size, "--duration", f"{round(1000 * seconds)}ms",
                     *self.model, *self.flags)
        return json.loads(out)[0]["median_ms"]

    def output(self):
        """By `vlunet restore` on a PNG of 16 bits, whose steps are 1.5e-5."""
        import numpy as np
        import png

        if self.work.part == "vlm":
            raise Failed("not checked")
        engine = self.flags if knows(self.args, "restore", "--engine") else []
        if "tract" in self.flags and not engine:
            raise Failed("not checked")
        path = self.work.folder / "restored.png"
        path.unlink(missing_ok=True)
        vlunet(self.args, "restore", self.work.png, "-o", path, "--task", TASK, *self.model, *engine)
        width, height, rows, _ = png.Reader(filename=str(path)).read()
        pixels = np.vstack([np.asarray(row, np.float32) for row in rows]).reshape(height, width, 3)
        return pixels.transpose(2, 0, 1)[None] / 65535

    def close(self):
        pass


class Peer:
    """Another engine in a process of its own, which stays warm and waits between its turns."""

    def __init__(self, work, threads, engine, model=None):
        command = [sys.executable, HERE / "engines.py", engine, model or work.onnx, work.inputs, threads, work.folder]
        self.path = work.folder / f"{engine}.npy"
        self.log = (work.folder / f"{engine}.log").open("w")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise Failed(f"dies of {signal.Signals(-code).name}" if code < 0 else f"ends with {code}")
        facts = json.loads(line)
        if "error" in facts:
            self.close()
            raise Failed(facts["error"])
        return facts

    def ask(self, line):
        try:
            print(line, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        return self.answer()

    def turn(self, seconds):
        return self.ask(seconds)["median_ms"]

    def output(self):
        import numpy as np

        self.ask(f"write {self.path}")
        return np.load(self.path)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


class Work:
    """One network at one size: its files, its inputs, and what ONNX Runtime makes of them in f32."""

    def __init__(self, args, name, models):
        import numpy as np

        model, self.part, self.dtype, *sizes = WORKS[name]
        self.name, self.size = name, sizes[1 if args.quick else 0]
        self.folder = args.venv / "work" / model
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bundle = ROOT / "models" / "nano" if model == "nano" else self.imported(args, model, models)
        for dtype in {"f32", self.dtype}:
            vlunet(args, "export", "-o", self.folder, "--model", self.bundle, "--dtype", dtype)
        self.onnx = self.folder / f"{self.part}.{self.dtype}.onnx"
        size = "{}x{}".format(*self.size)
        facts = json.loads(vlunet(args, "info", self.bundle, "--json", "--ops", "--dtype", "f32", "--size", size))
        macs = facts["macs"] if self.part == "restorer" else sum(facts["vlm"]["macs_by_dtype"].values())
        self.gmac = macs / 1e9

        pixels = models.picture(*self.size)
        self.png = self.folder / "picture.png"
        models.write_png(self.png, pixels)
        image = (pixels[None] / 65535).astype(np.float32)
        if self.part == "vlm":
            mean, std = (np.reshape(three, (1, 3, 1, 1)) for three in (CLIP_MEAN, CLIP_STD))
            inputs = {"image": ((image - mean) / std).astype(np.float32)}
        else:
            prompts = tomllib.loads((self.bundle / "manifest.toml").read_text())["prompts"]
            row = next(at for at, prompt in enumerate(prompts) if prompt["task"] == TASK)
            vectors = models.read_safetensors(self.bundle / "prompts.safetensors")["text_features"]
            inputs = {"image": image, "degradation": vectors[row : row + 1]}
        self.inputs = self.folder / f"inputs-{name}.npz"
        np.savez(self.inputs, **inputs)
        self.reference = self.by_onnxruntime("f32")
        self.decibels = self.psnr(self.by_onnxruntime("int8")) if self.dtype == "int8" else 0.0

    def imported(self, args, model, models):
        bundle, checkpoint = self.folder / "bundle", self.folder / "random.safetensors"
        models.write_checkpoint(checkpoint, model)
        shutil.rmtree(bundle, ignore_errors=True)
        vlunet(args, "import", checkpoint, "-o", bundle, "--name", model)
        checkpoint.unlink()
        return bundle

    def by_onnxruntime(self, dtype):
        peer = Peer(self, 1, "onnxruntime", self.folder / f"{self.part}.{dtype}.onnx")
        output = peer.output()
        peer.close()
        return output

    def error(self, output):
        """The error of each number, and the highest that it could sensibly be."""
        import numpy as np

        if self.part == "vlm":
            return np.abs(output - self.reference), float(np.abs(self.reference).max())
        return np.abs(output.clip(0, 1) - self.reference.clip(0, 1)), 1.0

    def psnr(self, output):
        error, peak = self.error(output)
        return float(20 * math.log10(peak / max(float((error**2).mean()) ** 0.5, 1e-9)))

    def agreement(self, output):
        """How far an output is from the reference, in words."""
        error, peak = self.error(output)
        if not math.isfinite(error.max()):
            return "NOT FINITE"
        if self.dtype == "int8":
            found = self.psnr(output)
            return f"{found:.1f} dB" + (", WRONG" if found < self.decibels - TOLERANCE_DB else "")
        return f"{error.max():.1e}" + (", WRONG" if error.max() > TOLERANCE * peak else "")

    def title(self):
        what = "VLM head" if self.part == "vlm" else "restorer"
        return "{}: {} of {} in {} at {}x{}, {:.2f} GMAC".format(
            self.name, what, self.folder.name, self.dtype, *self.size, self.gmac)


def measure(args, work, threads):
    """Rows of the table: name, median of the turns, lowest, highest, agreement or why not."""
    runners, rows = {}, {}
    names = [name for name in [*OURS, *PEERS] if PEERS.get(name) != "openvino_float" or work.dtype == "int8"]
    for name in names:
        try:
            if name in OURS:
                runners[name] = Ours(args, work, threads, OURS[name])
            else:
                runners[name] = Peer(work, threads, PEERS[name])
        except Failed as why:
            rows[name] = ([], str(why))
    times = {name: [] for name in runners}
    for _ in range(args.rounds):
        for name, runner in list(runners.items()):
            try:
                times[name].append(runner.turn(args.seconds))
            except Failed as why:
                rows[name] = ([], str(why))
                del runners[name]
            time.sleep(PAUSE)
    for name, runner in runners.items():
        try:
            agreement = work.agreement(runner.output())
        except Failed as why:
            agreement = str(why)
        rows[name] = (times[name], agreement)
        runner.close()
    return {name: rows[name] for name in names}


def table(work, cells):
    error = "PSNR" if work.dtype == "int8" else "max abs error"
    lines = [f"### {work.title()}", "",
             f"| engine | threads | median ms | lowest to highest | time, ours is 1 | GMAC/s | {error} |",
             "|---|---|---|---|---|---|---|"]
    for threads, rows in cells.items():
        ours = statistics.median(rows["vlunet"][0]) if rows["vlunet"][0] else None
        for name, (times, words) in rows.items():
            if not times:
                lines.append(f"| {name} | {threads} | {words} | | | | |")
                continue
            median = statistics.median(times)
            ratio = f"{median / ours:.2f}" if ours else ""
            lines.append(f"| {name} | {threads} | {median:.2f} | {min(times):.2f} to {max(times):.2f} | {ratio} "
                         f"| {1e3 * work.gmac / median:.1f} | {words} |")
    return "\n".join(lines)


def peak(args, threads):
    try:
        facts = json.loads(vlunet(args, "bench", "--peak", "--json", "--threads", threads))
        return ", ".join(f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in facts.items())
    except (Failed, ValueError) as why:
        return f"not measured ({why})"


def machine(args):
    """Facts of the machine and of every program that ran."""
    from importlib.metadata import version

    text = subprocess.run(["lscpu"], capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C"})
    cpu = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.stdout.splitlines())}
    flags = [flag for flag in FLAGS if flag in cpu.get("Flags", "").split()]
    parts = [f"{key} {cpu[key]}" for key in ("CPU family", "Model", "L2 cache", "L3 cache", "Hypervisor vendor")
             if key in cpu]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    names = ["onnxruntime", "openvino", "ncnn", "pnnx"]
    return [f"- Machine: {cpu.get('Model name')} ({', '.join(parts)}), {os.cpu_count()} cores, {' '.join(flags)}",
            f"- System: {platform.system()} {platform.release()}, load {os.getloadavg()[0]:.2f} at the start",
            f"- Versions: {vlunet(args, '--version').strip()} (sources {commit.stdout.strip()}), "
            + ", ".join(f"{name} {version(name)}" for name in names),
            f"- Date: {datetime.date.today()}"]


def own_python(args):
    """Goes on in the virtual environment, which --install makes and fills."""
    python = args.venv / "bin" / "python"
    if args.install:
        subprocess.run([sys.executable, "-m", "venv", args.venv], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        # Its program needs no torch; its Python module does, and isn't used.
        subprocess.run([*pip, "--no-deps", "pnnx"], check=True)
    if not python.exists():
        sys.exit(f"{args.venv} is not there: give --install")
    words = [word for word in sys.argv[1:] if word != "--install"]
    os.execv(python, [str(python), str(pathlib.Path(__file__).resolve()), *words])


def arguments():
    target = os.environ.get("CARGO_TARGET_DIR")
    venv = pathlib.Path(target) / "peers-bench" if target else pathlib.Path.home() / ".cache" / "vlunet-peers"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="vlunet, built for release")
    parser.add_argument("--venv", type=pathlib.Path, default=venv, help=f"virtual environment ({venv})")
    parser.add_argument("--install", action="store_true", help="make the virtual environment and fill it")
    parser.add_argument("--works", default=",".join(WORKS), help="of " + ",".join(WORKS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, help="turns of each engine (5)")
    parser.add_argument("--quick", action="store_true", help="2 rounds, small sizes; writes no file by itself")
    parser.add_argument("--output", type=pathlib.Path, help="the file to write (benches/RESULTS.md)")
    args = parser.parse_args()
    args.venv, args.binary = args.venv.absolute(), str(pathlib.Path(args.binary).absolute())
    args.works, args.threads = args.works.split(","), [int(count) for count in args.threads.split(",")]
    if unknown := set(args.works) - set(WORKS):
        parser.error(f"unknown works: {', '.join(sorted(unknown))}")
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.seconds = 0.3 if args.quick else TURN_SECONDS
    args.output = args.output or (None if args.quick else ROOT / "benches" / "RESULTS.md")
    return args


def main():
    args = arguments()
    if pathlib.Path(sys.prefix) != args.venv or args.install:
        own_python(args)
    import models

    lines = ["# Measured against other engines", "", *machine(args),
             f"- Command: `python3 benches/peers/run.py {shlex.join(sys.argv[1:])}`"]
    lines += [f"- Peak with {threads} threads: {peak(args, threads)}" for threads in args.threads]
    lines += ["", METHOD.format(rounds=args.rounds, seconds=args.seconds)]
    print("\n".join(lines), flush=True)
    for name in args.works:
        try:
            work = Work(args, name, models)
            text = table(work, {threads: measure(args, work, threads) for threads in args.threads})
        except Failed as why:
            text = f"### {name}: {why}"
        print("\n" + text, flush=True)
        lines += ["", text]
        if args.output:
            args.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
