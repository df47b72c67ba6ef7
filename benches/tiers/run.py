"""What each bundle restores, and what that costs: PSNR of real pictures against milliseconds of a frame.

    python3 benches/tiers/run.py --binary target/release/vlunet --data ../shared/data/eval models/nano models/mine

Writes benches/TIERS.md and docs/images/tiers.svg. Takes Python 3.11; matplotlib goes into a virtual
environment (--venv). README.md has the rest.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DTYPES = ["f32", "f16", "int8"]
# A set's folder, the noise that is added, its name, and the paper's PSNR (35 M parameters, whole sets).
SETS = [
    ("cbsd68", 15, "CBSD68 σ15", 34.13),
    ("cbsd68", 25, "CBSD68 σ25", 31.43),
    ("cbsd68", 50, "CBSD68 σ50", 28.23),
    ("rain100l_10", None, "Rain100L, 10 of 100", 38.54),
    ("sots_outdoor_43", None, "SOTS outdoor, 43 of 500", 30.84),
    ("lol_eval15", None, "LOL eval15", 22.29),
    ("reds_small_20", None, "REDS small, 20", None),
    ("gopro_scene_5", None, "GoPro, 5 frames of one scene", 27.46),
]


def vlunet(args, *words):
    command = [args.binary, *map(str, words), "--threads", str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def quality(args, bundle, dtype):
    """Means for each set; the degradation is detected."""
    results = []
    for folder, sigma, name, _ in SETS:
        noise = [] if sigma is None else ["--noise", sigma]
        mean = vlunet(args, "eval", "--model", bundle, "--dtype", dtype, "--data", args.data / folder, *noise, "--json")["mean"]
        results.append(mean)
        print(f"{bundle.name} {dtype} {name}: {mean['psnr_in']:.2f} -> {mean['psnr_out']:.2f} dB", file=sys.stderr)
    return results


def costs(args, bundles):
    """Milliseconds of a frame by bundle and number format; the median of rounds that take turns."""
    turns = {}
    for _ in range(args.rounds):
        for bundle in bundles:
            for row in vlunet(args, "bench", "--model", bundle, "--compare", ",".join(DTYPES), "--size", args.size,
                              "--duration", "6s", "--json"):
                turns.setdefault((bundle.name, row["dtype"]), []).append((row["median_ms"], row["gmac"]))
    return {key: sorted(values)[len(values) // 2] for key, values in turns.items()}


def machine():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(args, bundles, quality_of, cost_of):
    width, height = map(int, args.size.split("x"))
    head = ["model", "dtype", "kMAC per pixel", "ms", *[name for _, _, name, _ in SETS], "mean gain"]
    rows = [head, ["---"] * len(head)]
    inputs = next(iter(quality_of.values()))
    rows.append(["input", "", "", "", *[scores(mean, "in") for mean in inputs], ""])
    for bundle in bundles:
        for dtype in DTYPES:
            ms, gmac = cost_of[bundle.name, dtype]
            results = quality_of[bundle.name, dtype]
            rows.append([bundle.name, dtype, f"{gmac * 1e6 / (width * height):.1f}", f"{ms:.0f}",
                         *[scores(mean, "out") for mean in results], f"{gain(results):+.2f}"])
    rows.append(["the paper", "f32", "2840", "", *["" if known is None else f"{known:.2f}" for *_, known in SETS], ""])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def scores(mean, side):
    return f"{mean['psnr_' + side]:.2f} ({mean['ssim_' + side]:.3f})"


def gain(results):
    return sum(mean["psnr_out"] - mean["psnr_in"] for mean in results) / len(results)


def draw(args, bundles, quality_of, cost_of, path):
    import matplotlib
    import matplotlib.ticker
    matplotlib.use("svg")
    # No dates and no random ids: the same numbers are the same picture.
    matplotlib.rcParams.update({"svg.hashsalt": "vlunet", "svg.fonttype": "none", "font.size": 10})
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    for bundle in bundles:
        points = sorted((cost_of[bundle.name, dtype][0], gain(quality_of[bundle.name, dtype]), dtype) for dtype in DTYPES)
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o-", label=bundle.name)
        for x, y, dtype in points:
            axes.annotate(dtype, (x, y), textcoords="offset points", xytext=(5, 6))
    axes.set_xscale("log")
    for ticks in ("major", "minor"):
        getattr(axes.xaxis, f"set_{ticks}_formatter")(matplotlib.ticker.StrMethodFormatter("{x:.0f}"))
    axes.set_xlabel(f"milliseconds for a frame of {args.size}, {args.threads} threads of {machine()}")
    axes.set_ylabel("PSNR above the input's, mean of eight sets (dB)")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def in_venv(args):
    """Starts itself again in a virtual environment that has matplotlib."""
    python = args.venv / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() == args.venv.resolve():
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", args.venv], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "matplotlib"], check=True)
    os.execv(python, [python, __file__, *sys.argv[1:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=pathlib.Path, metavar="BUNDLE")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/vlunet")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="the folder of the sets")
    parser.add_argument("--size", default="640x360", help="of the frames that are timed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--venv", type=pathlib.Path, default=pathlib.Path.home() / ".cache/vlunet-tiers")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "benches/TIERS.md")
    parser.add_argument("--picture", type=pathlib.Path, default=ROOT / "docs/images/tiers.svg")
    args = parser.parse_args()
    in_venv(args)
    load = os.getloadavg()[0]
    cost_of = costs(args, args.bundles)
    quality_of = {(bundle.name, dtype): quality(args, bundle, dtype) for bundle in args.bundles for dtype in DTYPES}
    draw(args, args.bundles, quality_of, cost_of, args.picture)
    given = " ".join(str(bundle) for bundle in args.bundles)
    args.results.write_text(f"""# What the tiers restore, and what it costs

`python3 benches/tiers/run.py --binary {args.binary} --data {args.data} {given}`: mean PSNR in dB (and SSIM) by
`vlunet eval`, the degradation detected by the bundle's head in the same number format, pictures that this takes for clear
left as they are; and the median of a {args.size} frame by
`vlunet bench` ({args.rounds} rounds in turns, {args.threads} threads). {datetime.date.today()}, {machine()}, load at the start {load:.1f}.
The paper's is its full network on the whole sets.

{table(args, args.bundles, quality_of, cost_of)}

![PSNR against milliseconds](../docs/images/tiers.svg)
""", encoding="utf-8")
    print(args.results)


if __name__ == "__main__":
    main()
