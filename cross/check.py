#!/usr/bin/env python3
"""Checks a program that was built for a board: cross/check.py PROGRAM --machine aarch64

The processor, the newest glibc that it asks for (JetPack 6 has 2.35, Raspberry Pi OS 12 has 2.36),
the libraries that it needs, its size (--size MB), and that no path of the building machine is left
in it (--without PATH). Prints what it found in one line."""
import argparse
import re
import subprocess
import sys
from pathlib import Path

NEWEST_GLIBC = (2, 35)
MACHINES = {"aarch64": "AArch64", "arm": "ARM", "x86_64": "Advanced Micro Devices X86-64"}
# Those of any Debian, and of the C++ shim of TensorRT.
LIBRARIES = re.compile(r"(libc|libm|libgcc_s|libdl|libpthread|librt|libstdc\+\+|ld-linux[-\w]*)\.so\.\d+")


def readelf(option, program):
    run = subprocess.run(["readelf", option, "-W", program], capture_output=True, text=True, check=True)
    return run.stdout


def newest(name, text):
    versions = re.findall(rf"\b{name}_(\d+(?:\.\d+)+)\b", text)
    return max((tuple(map(int, version.split("."))) for version in versions), default=(0,))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("--machine", required=True, choices=MACHINES)
    parser.add_argument("--size", type=float, metavar="MB")
    parser.add_argument("--without", action="append", default=[], metavar="PATH")
    arguments = parser.parse_args()
    program, faults = arguments.program, []

    machine = re.search(r"Machine:\s+(.*)", readelf("-h", program)).group(1).strip()
    if machine != MACHINES[arguments.machine]:
        faults.append(f"it is for {machine}")
    versions = readelf("-V", program)
    glibc = newest("GLIBC", versions)
    if glibc > NEWEST_GLIBC:
        faults.append(f"it needs glibc {'.'.join(map(str, glibc))}, and JetPack 6 has 2.35")
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", program))
    for library in needed:
        if not LIBRARIES.fullmatch(library):
            faults.append(f"it needs {library}, which a board may not have")
    megabytes = program.stat().st_size / 1e6
    if arguments.size and megabytes > arguments.size:
        faults.append(f"it has {megabytes:.1f} MB, more than {arguments.size:g}")
    contents = program.read_bytes()
    for path in arguments.without:
        at = contents.find(path.encode())
        if at >= 0:
            text = re.match(rb"[ -~]*", contents[at : at + 120]).group().decode()
            faults.append(f"a path of this machine is in it: {text}")

    print(
        f"{program}: {machine}, {megabytes:.1f} MB, glibc {'.'.join(map(str, glibc))} or newer,",
        f"needs {', '.join(needed)}",
    )
    for fault in faults:
        print(f"error: {program}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
