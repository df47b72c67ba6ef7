#!/usr/bin/env python3
"""Runs emulated boards, looks at their pins from outside, and judges what they print.

  board.py WORK [PART...]

WORK holds `qemu` (a command that runs QEMU), `kernel`, `pi.dtb` and `initramfs`. Ends with 1 where anything
failed. VLUNET_QEMU_LOG=1 prints their consoles. Contents, counts and pins are judged, never how fast they came: the boards are emulated.
"""
import base64
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

# The registers of a BCM2837's pins (BCM2835 ARM Peripherals, chapter 6).
GPIO = 0x3F200000
FUNCTION, LEVEL = GPIO + 0x00, GPIO + 0x34
LED, DEHAZE, DERAIN = 17, 22, 23
OUTPUT = 1
BARS = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]]
# How far the network, at 64x64 and told of rain, may move a bar: 50 was seen; bars are 191 apart.
RESTORED = 64


class Machine:
    """An emulated machine; its console is read line by line."""

    def __init__(self, work, board, part, disk=None, seconds=240):
        self.part, self.deadline, self.lines = part, time.monotonic() + seconds, []
        folder = tempfile.mkdtemp(dir=work)
        control = os.path.join(folder, "qmp")
        with open(os.path.join(work, "qemu"), encoding="utf-8") as file:
            command = file.read().split()
        options = {
            "pi": ["-M", "raspi3b", "-m", "1G", "-dtb", f"{work}/pi.dtb"],
            "virt": ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1G"],
        }[board]
        console = {"pi": "ttyAMA0,115200 iomem=relaxed", "virt": "ttyAMA0"}[board]
        if disk:
            options += ["-drive", f"file={disk},format=raw,if=none,id=d,cache=writethrough"]
            options += ["-device", "virtio-blk-device,drive=d"]
        self.process = subprocess.Popen(
            command + options + ["-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]
            + ["-qmp", f"unix:{control},server=on,wait=off", "-kernel", f"{work}/kernel", "-initrd", f"{work}/initramfs"]
            + ["-append", f"console={console} quiet loglevel=1 panic=-1 rdinit=/init part={part}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        # Its control comes up before it runs anything.
        self.stream = None
        while self.stream is None and self.process.poll() is None and time.monotonic() < self.deadline:
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(control)
                self.stream = connection.makefile("rw")
            except OSError:
                time.sleep(0.05)
        if self.stream:
            self.stream.readline()
            self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def word(self, address):
        """Four bytes of the machine's memory, as another device on its bus would read them."""
        said = self.ask("human-monitor-command", **{"command-line": f"xp /1wx {address:#x}"})
        return int(said.split(":")[1].strip(), 16)

    def pin(self, number):
        """What a pin does, and its level."""
        function = self.word(FUNCTION + 4 * (number // 10)) >> (3 * (number % 10)) & 7
        return function, self.word(LEVEL + 4 * (number // 32)) >> (number % 32) & 1

    def cut(self):
        """Cuts the power: nothing is written any more."""
        self.process.kill()

    def run(self, on_line=lambda line: None):
        """Reads the console to its end; gives its lines."""
        import threading
        timer = threading.Timer(self.deadline - time.monotonic(), self.cut)
        timer.start()
        for line in self.process.stdout:
            line = line.replace("\r", "").rstrip("\n")
            self.lines.append(line)
            if os.environ.get("VLUNET_QEMU_LOG"):
                print(f"     | {line}")
            on_line(line)
        timer.cancel()
        self.process.wait()
        return self.lines


class Judge:
    def __init__(self):
        self.passed = self.failed = 0

    def hold(self, name, promise, shown=""):
        if promise:
            self.passed += 1
            print(f"pass {name}")
        else:
            self.failed += 1
            print(f"FAIL {name}: {str(shown)[:1500]}")

    def machine(self, machine):
        """That it came to its end, and what it said is no kernel's or program's failure."""
        done = any(line.startswith("DONE") for line in machine.lines)
        self.hold(f"{machine.part}: ran to its end", done, "\n     ".join(machine.lines[-15:]))
        bad = [line for line in machine.lines if re.search(r"panicked at|Oops:|doesn't load|the loop never|Illegal instruction", line)]
        self.hold(f"{machine.part}: nothing broke", not bad, bad)
        return machine

    def results(self, machine):
        """The program's results by name: (code, last line)."""
        found = (re.match(r"RESULT (\S+) (\d+) ?(.*)$", line) for line in machine.lines)
        return {m[1]: (int(m[2]), m[3]) for m in found if m}


def values(results, name):
    """The JSON of a result; empty where there is none."""
    try:
        return json.loads(results.get(name, (1, ""))[1])
    except ValueError:
        return {}


def is_fine(summary):
    """Whether frames came, and nothing went wrong but that the page's server, emulated, took too long to end."""
    return summary.get("frames_out", 0) >= 5 and all(kind.startswith("http:") for kind in summary["faults"])


def errors(machine, name):
    return [line for line in machine.lines if line.startswith(f"ERROR {name} ")]


def pi(work, judge):
    """A Raspberry Pi 3: rppal drives real (emulated) pins while frames are captured and restored."""
    machine = Machine(work, "pi", "pi")
    seen = {}

    def look(line):
        if line.startswith("PINS "):
            seen[line.split()[1]] = {pin: machine.pin(pin) for pin in (LED, DEHAZE, DERAIN)}

    machine.run(look)
    judge.machine(machine)
    results = judge.results(machine)
    code, version = results.get("version", (None, ""))
    judge.hold("pi: the program starts", code == 0 and version.startswith("vlunet "), machine.lines[-15:])
    code, checks = results.get("doctor", (None, ""))
    judge.hold("pi: doctor examines it", code in (0, 1) and '"name"' in checks, results.get("doctor"))
    status = values(results, "pi-status")
    judge.hold("pi: restoring", status.get("state") == "restoring" and status.get("faults") == {}, status)
    lit, dark = (OUTPUT, 1), (OUTPUT, 0)
    judge.hold("pi: restoring rain lights the LED and rain's output",
               seen.get("restoring") == {LED: lit, DEHAZE: dark, DERAIN: lit}, seen)
    judge.hold("pi: switched off, the LED is dark", seen.get("bypass", {}).get(LED) == dark, seen)
    judge.hold("pi: the output follows the task",
               seen.get("dehaze") == {LED: lit, DEHAZE: lit, DERAIN: dark}, seen)
    judge.hold("pi: after the end the pins are as before",
               all(function != OUTPUT for function, _ in seen.get("ended", {0: lit}).values()), seen)
    code, _ = results.get("pi-live", (None, ""))
    summary = values(results, "pi-live")
    judge.hold("pi: frames came and went", code == 0 and is_fine(summary),
               (summary, errors(machine, "pi-live")))


def bars(text):
    """Mean colours of the eight bars in the last frame of a Y4M stream of 4:2:0 pictures."""
    data = gzip.decompress(base64.b64decode(text))
    head = data[:data.index(b"\n")].decode()
    width, height = (int(re.search(rf" {key}(\d+)", head)[1]) for key in "WH")
    frame = data[-(width * height * 3 // 2):]
    luma, chroma = frame[:width * height], frame[width * height:]
    seen = []
    for bar in range(8):
        x, y = (2 * bar + 1) * width // 16, height // 2
        lumas, blues, reds = [], [], []
        for dy in range(-8, 8):
            for dx in range(-8, 8):
                lumas.append(luma[(y + dy) * width + x + dx])
                at = (y + dy) // 2 * (width // 2) + (x + dx) // 2
                blues.append(chroma[at])
                reds.append(chroma[width * height // 4 + at])
        seen.append((sum(lumas) / 256, sum(blues) / 256 - 128, sum(reds) / 256 - 128))
    # BT.709 in limited range, as our Y4M of this height is written.
    colours = []
    for y, blue, red in seen:
        y = 1.164 * (y - 16)
        colours.append([y + 1.793 * red, y - 0.213 * blue - 0.533 * red, y + 2.112 * blue])
    return [[round(min(max(value, 0), 255)) for value in colour] for colour in colours]


def camera(work, judge):
    """A board with a camera and an output: frames go all the way through and come back."""
    machine = Machine(work, "virt", "camera")
    machine.run()
    judge.machine(machine)
    results = judge.results(machine)
    code, checks = results.get("doctor", (None, ""))
    judge.hold("camera: doctor finds it", code in (0, 1) and "/dev/video0" in checks, results.get("doctor"))
    status = values(results, "camera-status")
    judge.hold("camera: restoring rain", status.get("state") == "restoring"
               and status.get("detected", {}).get("task") == "derain", status)
    shown = next((line.split(" ", 3) for line in machine.lines if line.startswith("FRAME camera-shown")), None)
    colours = bars(shown[3]) if shown and len(shown) == 4 and shown[3] else []
    near = len(colours) == 8 and all(abs(a - b) <= RESTORED for x, y in zip(colours, BARS) for a, b in zip(x, y))
    judge.hold("camera: its colour bars, restored, are on the output", near,
               (colours, errors(machine, "camera-shown")))
    code, _ = results.get("camera-live", (None, ""))
    summary = values(results, "camera-live")
    judge.hold("camera: no faults", code == 0 and is_fine(summary),
               (summary, errors(machine, "camera-live")))


# Where the power is cut, as `vlunet --verbose bundle install` says it, and how often it has said it by then.
CUTS = [
    ("a file is unpacked and whole", 2),
    ("the folder has its final name", 1),
    ("a link to the new version is made", 1),
    ("the new version is the current one", 1),
]


def update(work, judge):
    """A model's update, cut by the power: the next start runs the old model or the new one, whole."""
    first = os.path.join(work, "first.img")
    shutil.copy(os.path.join(work, "disk.img"), first)
    machine = Machine(work, "virt", "update-first", disk=first)
    machine.run()
    judge.machine(machine)
    steps = [line for line in machine.lines if line.startswith("STEP ")]
    judge.hold("update: the first model is installed", any("installed, confirmed" in line for line in steps), steps)
    for step, count in CUTS:
        disk = os.path.join(work, "cut.img")
        shutil.copy(first, disk)
        machine = Machine(work, "virt", "update-cut", disk=disk)
        said = [0]

        def cut(line, machine=machine, step=step, said=said):
            said[0] += line.startswith("STEP ") and step in line
            if said[0] == count:
                machine.cut()

        machine.run(cut)
        name = f"update: cut when {step}"
        judge.hold(f"{name}: it came that far", said[0] >= count, machine.lines[-15:])
        machine = Machine(work, "virt", "update-next", disk=disk)
        machine.run()
        judge.machine(machine)
        results = judge.results(machine)
        current = [row for row in values(results, "list") or [] if "current" in row["standing"]]
        versions = [row["version"] for row in current]
        judge.hold(f"{name}: the old model or the new one is there", versions in (["1.0.0"], ["2.0.0"]), results)
        judge.hold(f"{name}: it is whole", results.get("verify", (1, ""))[0] == 0,
                   (results, errors(machine, "verify")))
        told, ran = errors(machine, "run"), values(results, "run")
        judge.hold(f"{name}: it restores", results.get("run", (1, ""))[0] == 0 and ran.get("frames_out") == 3
                   and ran["bypassed"] == 0 and not any("nothing is installed" in line for line in told), (ran, told))
        steps = [line for line in machine.lines if line.startswith("STEP ")]
        judge.hold(f"{name}: the update is done again", any("installed, on probation" in line
                   or "is the current version already" in line for line in steps), steps)
        print(f"     (it runs {versions})")


PARTS = {"pi": pi, "camera": camera, "update": update}


def main():
    work, wanted = sys.argv[1], sys.argv[2:] or list(PARTS)
    judge = Judge()
    for part in wanted:
        start = time.monotonic()
        PARTS[part](work, judge)
        print(f"     ({part}: {time.monotonic() - start:.0f} s)")
    print(f"{judge.passed} passed, {judge.failed} failed")
    return 1 if judge.failed else 0


sys.exit(main())
