#!/usr/bin/env python3
"""Makes a folder the initial file system of an emulated machine, of any processor.

  initramfs.py ROOT --modules FOLDER --load NAME[,NAME...] -o FILE

What these kernel modules need is found in their own headers and put into /modules with them; /modules/order
lists them in the order in which insmod takes them. Needs neither root nor cpio nor depmod.
"""
import argparse
import lzma
import os
import stat


def modules(folder, wanted):
    """(name, bytes) of the modules and of what they depend on, that first."""
    paths = {}
    for parent, _, files in os.walk(os.path.join(folder, "kernel")):
        paths.update({f.split(".ko")[0].replace("-", "_"): os.path.join(parent, f) for f in files if ".ko" in f})
    with open(os.path.join(folder, "modules.builtin"), encoding="ascii") as lines:
        builtin = {os.path.basename(line.strip())[:-3].replace("-", "_") for line in lines}
    found = {}

    def add(name):
        name = name.replace("-", "_")
        if name in found or name in builtin:
            return
        if name not in paths:
            raise SystemExit(f"initramfs.py: there is no module {name} in {folder}")
        with open(paths[name], "rb") as file:
            data = file.read()
        data = lzma.decompress(data) if paths[name].endswith(".xz") else data
        needed = next((field[8:].decode() for field in data.split(b"\0") if field.startswith(b"depends=")), "")
        for other in filter(None, needed.split(",")):
            add(other)
        found[name] = data

    for name in wanted:
        add(name)
    return list(found.items())


def entry(number, name, mode, data=b"", device=(0, 0)):
    name = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def archive(root, loaded):
    files = [("dev", stat.S_IFDIR | 0o755, b""), ("modules", stat.S_IFDIR | 0o755, b"")]
    files += [(f"modules/{name}.ko", stat.S_IFREG | 0o644, data) for name, data in loaded]
    order = "".join(name + "\n" for name, _ in loaded).encode()
    files.append(("modules/order", stat.S_IFREG | 0o644, order))
    for parent, folders, names in os.walk(root):
        for name in sorted(folders + names):
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            data = b""
            if stat.S_ISLNK(mode):
                data = os.readlink(path).encode()
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    data = file.read()
            files.append((os.path.relpath(path, root), mode, data))
    entries = [entry(i + 1, *file) for i, file in enumerate(files)]
    # The kernel opens it before anything is mounted.
    entries.append(entry(len(entries) + 1, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1)))
    return b"".join(entries) + entry(0, "TRAILER!!!", 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--modules", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("-o", required=True)
    arguments = parser.parse_args()
    loaded = modules(arguments.modules, arguments.load.split(","))
    with open(arguments.o, "wb") as file:
        file.write(archive(arguments.root, loaded))


main()
