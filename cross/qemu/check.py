#!/usr/bin/env python3
"""Judges what the emulated machine printed: check.py LOG. Ends with 1 where anything failed.

Contents, counts and numbers are judged, never how fast they came: the machine may be emulated.
"""
import json
import re
import sys

BARS = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]]
# How far the network, at 64x64 and told of rain, may move a bar: 32 was seen; bars are 191 apart.
RESTORED = 48
GONE = re.compile(r"No such device|Input/output error")
CHANGED = "size or format changed; it must be opened anew"


def near(seen, wanted, off):
    return len(seen) == len(wanted) and all(abs(a - b) <= off for s, w in zip(seen, wanted) for a, b in zip(s, w))


def bars(seen, off=4):
    return near(seen["bars"], BARS, off)


def luma(rgb):
    """By BT.709, as vivid makes grey of sRGB."""
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def fine(frames, size=None):
    """Frames with rising numbers, and nothing that went wrong."""
    return [
        ("as many frames as asked for", lambda s: s["frames"] == frames),
        ("their numbers rise", lambda s: s["rising"]),
        ("nothing went wrong", lambda s: s["errors"] == [] and s["skipped"] == 0 and s["opened"] == 1),
        ("no frame is older than a second", lambda s: s["oldest_ms"] < 1000),
    ] + ([("their size", lambda s: s["size"] == size)] if size else [])


def refused(text):
    """One line that says why, and no frames."""
    one_line = lambda s: len(s["errors"]) == 1 and text in s["errors"][0] and "\n" not in s["errors"][0]
    return [(f"one line with {text!r}", one_line), ("no frames", lambda s: s["frames"] == 0)]


def device(devices, path):
    return next((d for d in devices if d["path"] == path), {})


def sizes(described, fourcc):
    return [size["max"] for f in described["formats"] if f["fourcc"] == fourcc for size in f["sizes"]]


def known(seen, lowest):
    return seen["known"] >= 10 and seen["known_rising"] and seen["psnr"] > lowest


def reopened(why):
    return [
        ("one error, and it says why", lambda s: len(s["errors"]) == 1 and re.search(why, s["errors"][0])),
        ("opened anew", lambda s: s["opened"] == 2),
        ("frames before and after", lambda s: 0 < s["frames_since"] < s["frames"] == 60),
        ("their numbers rise", lambda s: s["rising"]),
        ("colour bars after", bars),
    ]


# What a connected pair may run into: setting the output up tells the input of a new picture.
def connected(lowest):
    return [
        ("as many frames as asked for", lambda s: s["frames"] == 40),
        ("their numbers rise", lambda s: s["rising"]),
        ("known pictures come back in order", lambda s: known(s, lowest)),
        ("no error but that the picture changed", lambda s: all(CHANGED in e for e in s["errors"])),
    ]


def ended():
    """By a signal: the code is judged for all; a loop has a second, an emulated one a few."""
    return [("ended in time", lambda s: s["end_ms"] < 5000), ("frames in and out", lambda s: s["summary"]["frames_in"]
        >= s["summary"]["frames_out"])]


TESTS = {
    "list": [
        ("three devices", lambda d: [x["path"] for x in d] == ["/dev/video0", "/dev/video1", "/dev/video2"]),
        ("names and drivers", lambda d: all(x["driver"] == x["name"] == "vivid" and not x["problem"] for x in d)),
        ("what captures and what shows", lambda d: [(x["captures"], x["outputs"]) for x in d]
            == [(True, False), (True, False), (False, True)]),
        ("the webcam's sizes", lambda d: [640, 360] in sizes(device(d, "/dev/video0"), "YUYV")),
        ("their rates", lambda d: any(30.0 in size["fps"] for f in d[0]["formats"] for size in f["sizes"])),
        ("formats that aren't read are there, too", lambda d: any(f["format"] is None for f in d[0]["formats"])),
        ("controls with their values", lambda d: any(
            c["name"] == "brightness" and (c["min"], c["max"], c["value"]) == (0, 255, 128) for c in d[0]["controls"])),
        ("menus", lambda d: any(m["text"] == "75% Colorbar" for c in d[0]["controls"] for m in c.get("menu", []))),
    ],
    **{f"format-{f}": fine(10, [640, 360]) + [("colour bars", bars), ("the format", lambda s, f=f: f" {f} " in s["source"])]
       for f in ("yuyv", "uyvy", "nv12", "rgb3", "bgr3")},
    "format-grey": fine(10, [640, 360]) + [
        ("grey bars", lambda s: near(s["bars"], [[round(luma(b))] * 3 for b in BARS], 5)),
    ],
    "automatic": fine(10, [640, 480]) + [("colour bars", bars)],
    "rate": fine(10, [320, 180]) + [("the rate", lambda s: s["source"].endswith("at 50/s"))],
    "controls": fine(5) + [("a bright grey picture", lambda s: all(min(b) > 60 and max(b) - min(b) < 4 for b in s["bars"]))],
    "restored": fine(5) + [("colour bars", bars)],
    "bad-size": refused("no 641x361; there is"),
    "bad-control": refused("nor a control of this device (brightness, contrast"),
    "bad-value": refused("brightness=256 is not a number from 0 to 255"),
    "no-camera": refused("captures no video"),
    "link-gone": refused("there is no such device"),
    "taken": refused("another program is capturing from it"),
    "lost": [
        ("as many frames as asked for", lambda s: s["frames"] == 40),
        ("their numbers rise, with gaps", lambda s: s["rising"] and s["lost"] > 0),
        ("nothing went wrong", lambda s: s["errors"] == []),
    ],
    "blocked": [
        ("no frames and no error", lambda s: s["frames"] == 0 and s["errors"] == []),
        ("asking took the time given, not for ever", lambda s: s["nothing"] >= 2 and 400 <= s["longest_nothing_ms"] < 1500),
    ],
    "wrapped": fine(200),
    "damaged": [
        ("damaged frames are skipped", lambda s: s["skipped"] >= 1),
        ("and the others taken", lambda s: s["frames"] == 60 and s["errors"] == [] and s["rising"] and bars(s)),
    ],
    "fatal": reopened("Input/output error|reports an error"),
    "unplugged": reopened(GONE.pattern),
    "unplugged-for-good": [
        ("frames, and then an error", lambda s: s["frames"] > 0 and len(s["errors"]) == 1 and GONE.search(s["errors"][0])),
    ],
    "no-start": refused("cannot begin to capture from /dev/video0"),
    "no-start-reopened": fine(5),
    "loop-yuyv": connected(32),
    "loop-rgb3": connected(32),
    "loop-automatic": connected(32),
    "source-changed": [
        ("an error that calls for a new opening", lambda s: len(s["errors"]) == 1 and CHANGED in s["errors"][0]),
        ("frames before", lambda s: 0 < s["frames"] < 120),
    ],
    "live": ended() + [
        # How many in these ten seconds is the emulator's speed; the order and the losses are ours.
        ("many frames", lambda s: s["summary"]["frames_out"] >= 12),
        ("restored ones", lambda s: s["summary"]["bypassed"] <= s["summary"]["frames_out"] - 5),
        ("the camera was lost, and nothing else went wrong", lambda s: list(s["summary"]["faults"]) == ["source"]),
        ("damaged frames are counted", lambda s: 1 <= s["summary"]["damaged"] <= 4),
    ],
    "live-status": [
        ("the user's task", lambda s: s["detected"]["task"] == "derain" and s["detected"]["forced"]),
        ("restored", lambda s: s["state"] == "restoring" and s["stage_ms"]["restore"]["p50"] > 0
            and s["bypassed"] < s["frames_out"]),
        ("all sinks", lambda s: len(s["sinks"]) == 4),
        ("no faults", lambda s: s["faults"] == {}),
    ],
    "live-shown": [
        ("as many frames as asked for", lambda s: s["frames"] == 20 and s["rising"]),
        ("colour bars, restored", lambda s: bars(s, RESTORED) and s["bars"] != BARS),
        ("no error but that the picture changed", lambda s: all(CHANGED in e for e in s["errors"])),
    ],
    "live-pictures": [
        ("pictures before and after the camera was unplugged", lambda s: s["before"] >= 10 and s["after"] >= s["before"] + 3),
        ("each is another, until the camera begins to count anew", lambda s: s["distinct"] == s["before"] <= s["all"]),
    ],
    "live-contents": [
        ("all pictures are whole", lambda s: s["frames"] >= 13 and s["errors"] == [] and s["size"] == [320, 180]),
        ("their numbers rise", lambda s: s["rising"] and s["lost"] == 0),
        ("colour bars, restored", lambda s: bars(s, RESTORED) and s["bars"] != BARS),
    ],
    "detected-status": [
        ("the camera", lambda s: s["source"].startswith("vivid, 320x180") and s["size"] == [320, 180]),
        ("a label, by itself", lambda s: s["detected"]["label"] and s["detected"]["task"] and not s["detected"]["forced"]),
        ("probabilities", lambda s: abs(sum(s["detected"]["tasks"].values()) - 1) < 0.01),
        ("the likeliest task", lambda s: s["detected"]["task"] in s["detected"]["tasks"]),
        ("no faults", lambda s: s["faults"] == {}),
    ],
    "detected": ended() + [("frames, and no faults", lambda s: s["summary"]["frames_out"] > 0 and s["summary"]["faults"] == {})],
    "counted": [
        ("as many frames as asked for", lambda s: s["summary"]["frames_out"] == 12 <= s["summary"]["frames_in"]),
        ("no faults", lambda s: s["summary"]["faults"] == {}),
    ],
}


def main():
    log = open(sys.argv[1], encoding="utf-8", errors="replace").read().replace("\r", "")
    results = {m[1]: (int(m[2]), m[3]) for m in re.finditer(r"^RESULT (\S+) (\d+) (.*)$", log, re.M)}
    failed = 0
    for name, promises in TESTS.items():
        code, line = results.pop(name, (None, ""))
        try:
            seen = json.loads(line) if code == 0 else None
            broken = [what for what, holds in promises if not holds(seen)] if seen is not None else [f"ended with {code}"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            broken = [f"{type(error).__name__}: {error}"]
        print(f"pass {name}" if not broken else f"FAIL {name}: {'; '.join(broken)}\n     {line[:1500]}")
        if broken:
            print("\n".join("     " + e for e in re.findall(rf"^ERROR {name} (.*)$", log, re.M)[:20]))
        failed += bool(broken)
    for name in results:
        print(f"FAIL {name}: nothing is promised of it")
        failed += 1
    setup = re.findall(r"^INIT (?:can't|vivid doesn't).*$", log, re.M)
    done = re.search(r"^DONE", log, re.M)
    panics = re.findall(r"^.*panicked at.*$|^.*Oops:.*$", log, re.M)
    for line in setup + panics + ([] if done else ["the machine ended before its tests did"]):
        print(f"FAIL {line}")
        failed += 1
    if not done:
        print("\n".join("     " + line for line in log.splitlines()[-15:]))
    print(f"{len(TESTS) - min(failed, len(TESTS))} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
