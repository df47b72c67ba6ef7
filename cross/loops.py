"""Instructions per multiply-accumulate in the innermost loops of a program for aarch64, which stand in for
time where there is no such processor:

    aarch64-linux-gnu-objdump -d --no-show-raw-insn PROGRAM | python3 cross/loops.py

PROGRAM may be the kernels' tests, as `cargo test --release --no-run` builds them in cross/kernels. A loop
ends with a branch back to its start; one instruction `fmla` on four floats is four multiply-accumulates.
"""

import re
import sys

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:")
INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\s+(.*)")
BRANCH = re.compile(r"(?:b\.\w+|cbn?z|tbn?z|b)\s.*?\b([0-9a-f]+) <")

# Multiply-accumulates of one instruction: by its name and the elements that its result has.
FLOATS = re.compile(r"(?:fmla|fmls) v\d+\.4s")
DOTS = re.compile(r"(?:sdot|udot) v\d+\.4s")
BYTES = re.compile(r"[su]ml[as]l2? v\d+\.8h|[su]mull2? v\d+\.8h")
WORDS = re.compile(r"[su]ml[as]l2? v\d+\.4s|[su]mull2? v\d+\.4s|ml[as] v\d+\.4s")
SHORTS = re.compile(r"ml[as] v\d+\.8h")
PRODUCTS = [(FLOATS, 4), (DOTS, 16), (BYTES, 8), (WORDS, 4), (SHORTS, 8)]

# The fewest multiply-accumulates of a loop that is shown.
LEAST = 32


def loops(instructions):
    places = {address: at for at, (address, _) in enumerate(instructions)}
    for end, (_, text) in enumerate(instructions):
        branch = BRANCH.match(text)
        start = places.get(int(branch.group(1), 16), end) if branch else end
        body = [text for _, text in instructions[start : end + 1]]
        if start < end and not any(BRANCH.match(text) for text in body[:-1]):
            yield body


def products(text):
    return next((each for pattern, each in PRODUCTS if pattern.match(text)), 0)


def count(body, *names):
    return sum(text.startswith(names) for text in body)


def row(body, function):
    """A line of the table: instructions per MAC, MACs, instructions, loads, stores; where it is."""
    macs = sum(products(text) for text in body)
    share = len(body) / macs if macs else 0
    name = re.sub(r"17h[0-9a-f]{16}E$|^_RN?v?", "", function)
    return share, macs, len(body), count(body, "ld"), count(body, "st"), name[-70:]


def main():
    rows, function, instructions = set(), None, []
    for line in [*sys.stdin, "0 <end>:"]:
        if match := FUNCTION.match(line):
            found = (row(body, function) for body in loops(instructions))
            rows.update(it for it in found if it[1] >= LEAST)
            function, instructions = match.group(1), []
        elif match := INSTRUCTION.match(line):
            instructions.append((int(match.group(1), 16), re.sub(r"\s+", " ", match.group(2).strip())))
    print("per MAC  MACs  all  loads  stores")
    for share, macs, all_, loads, stores, name in sorted(rows):
        print(f"{share:7.3f} {macs:5} {all_:4} {loads:6} {stores:7}  {name}")


main()
