"""Networks of random weights as checkpoints that `vlunet import` takes: speed does not ask what a weight is.

Names and shapes are those of src/arch/parameters.rs and src/arch/clip.rs.
"""

import json
import struct
import zlib

import numpy as np

VECTOR = 512
CONFIGS = {
    "dim16": dict(dim=16, blocks=[1, 2, 2, 3], refinement=1, heads=[1, 2, 4, 8], factor=2.66, prompts=7, stem=1),
    "full": dict(dim=48, blocks=[4, 6, 6, 8], refinement=4, heads=[1, 2, 4, 8], factor=2.66, prompts=7, stem=1),
}


def restorer_shapes(dim, blocks, refinement, heads, factor, prompts, stem):
    """Every parameter of a restorer: name and shape."""
    shapes, image = {}, 3 * stem**2

    def conv(name, into, out, side):
        shapes[name + ".weight"] = (out, into, side, side)

    def mdta(name, width, count):
        shapes[name + ".temperature"] = (count, 1, 1)
        conv(name + ".qkv", width, 3 * width, 1)
        conv(name + ".qkv_dwconv", 1, 3 * width, 3)
        conv(name + ".project_out", width, width, 1)

    def level(name, stage, multiple, index, count):
        width, side, gradient = dim * multiple, 96 // stage, name + ".gradient_descent"
        prompt = width // 10 * stage
        shapes[gradient + ".prompt_param"] = (1, prompts, prompt, side, side)
        shapes[gradient + ".linear.weight"] = (prompts, VECTOR)
        shapes[gradient + ".linear.bias"] = (prompts,)
        shapes[gradient + ".phi.temperature"] = (2, 1, 1)
        conv(gradient + ".phi.qv", width, 2 * width, 1)
        conv(gradient + ".phi.qv_dwconv", 1, 2 * width, 3)
        conv(gradient + ".phi.k", prompt, width, 1)
        conv(gradient + ".phi.k_dwconv", 1, width, 3)
        conv(gradient + ".phi.project_out", width, width, 1)
        mdta(gradient + ".phit", width, 2)
        shapes[gradient + ".r"] = (1,)
        hidden = int(width * factor)
        for block in (f"{name}.denoiser.blocks.{at}" for at in range(count)):
            for norm in ("norm1", "norm2"):
                shapes[f"{block}.{norm}.body.weight"] = shapes[f"{block}.{norm}.body.bias"] = (width,)
            mdta(block + ".attn", width, heads[index])
            conv(block + ".ffn.project_in", width, 2 * hidden, 1)
            conv(block + ".ffn.dwconv", 1, 2 * hidden, 3)
            conv(block + ".ffn.project_out", hidden, width, 1)

    conv("patch_embed.proj", image, dim, 3)
    conv("patch_embed_i.proj", image, dim, 3)
    for stage, name in enumerate(["encoder_level1", "encoder_level2", "encoder_level3", "latent"]):
        level(name, stage + 1, 2**stage, stage, blocks[stage])
    for stage, name in enumerate(["decoder_level1", "decoder_level2", "decoder_level3"]):
        level(name, stage + 1, 2 ** max(stage, 1), stage, blocks[stage])
    level("refinement", 1, 2, 0, refinement)
    for twin in ("", "_i"):
        for at, width in ((1, dim), (2, 2 * dim), (3, 4 * dim)):
            conv(f"down{at}_{at + 1}{twin}.body.0", width, width // 2, 3)
            conv(f"up{at + 1}_{at}{twin}.body.0", 2 * width, 4 * width, 3)
    for at, width in ((2, 4 * dim), (3, 8 * dim)):
        conv(f"reduce_chan_level{at}", width, width // 2, 1)
        conv(f"reduce_chan_level{at}_img", width, width // 2, 1)
    conv("output", 2 * dim, image, 3)
    return shapes


def least_head_shapes(width=8):
    """The smallest VLM head that an import accepts; nothing is measured of it."""
    visual, text = "clip_model.visual", "clip_model.transformer.resblocks.0"
    shapes = {f"{visual}.conv1.weight": (width, 3, 4, 4), f"{visual}.conv1.bias": (width,)}

    def affine(name, *shape):
        shapes[name + ".weight"], shapes[name + ".bias"] = shape, shape[:1]

    for stage in range(4):
        name = f"{visual}.stages.{stage}"
        if stage:
            affine(name + ".down.norm", width)
            shapes[name + ".down.conv.weight"] = (width, width, 2, 2)
        shapes[name + ".blocks.0.depthwise.weight"] = (width, 1, 3, 3)
        affine(name + ".blocks.0.norm", width)
        shapes[name + ".blocks.0.fc1.weight"] = (2 * width, width)
        shapes[name + ".blocks.0.fc2.weight"] = (width, 2 * width)
    affine(visual + ".ln_post", 8 * width)
    shapes[visual + ".proj"] = (8 * width, VECTOR)
    shapes["clip_model.token_embedding.weight"] = (49408, width)
    shapes["clip_model.positional_embedding"] = (77, width)
    for name in ("ln_1", "ln_2"):
        affine(f"{text}.{name}", width)
    shapes[text + ".attn.in_proj_weight"], shapes[text + ".attn.in_proj_bias"] = (3 * width, width), (3 * width,)
    for name in ("attn.out_proj", "mlp.c_fc", "mlp.c_proj"):
        affine(f"{text}.{name}", width, width)
    affine("clip_model.ln_final", width)
    shapes["clip_model.text_projection"] = (width, VECTOR)
    head = {"model_degradation.ad_imageEncoder." + name: shape for name, shape in shapes.items()}
    shapes.clear()
    for encoder in ("ad_imageEncoder", "ad_textEncoder"):
        for linear in (0, 3, 6):
            affine(f"model_degradation.{encoder}.adapter.{linear}", VECTOR, VECTOR)
            affine(f"model_degradation.{encoder}.adapter.{linear + 1}", VECTOR)
    return head | shapes


def weights(rng, name, shape):
    if name.endswith("temperature"):
        return np.ones(shape)
    if name.endswith(".r"):
        return np.full(shape, 0.5)
    if name.endswith("adapter.7.weight"):
        return np.full(shape, VECTOR**-0.5)  # after its LayerNorm a vector has length 1
    if name.endswith("prompt_param"):
        return rng.random(shape)
    if len(shape) == 1:
        return np.ones(shape) if name.endswith("weight") else np.zeros(shape)
    scale = 0.1 if name == "net.output.weight" else 1.0  # the picture stays near 0 to 1
    return scale * rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


def write_checkpoint(path, config):
    """A safetensors file of a restorer and the least head, always the same."""
    shapes = {"net." + name: shape for name, shape in restorer_shapes(**CONFIGS[config]).items()}
    shapes |= least_head_shapes()
    rng, header, body, at = np.random.default_rng(1), {}, [], 0
    for name, shape in shapes.items():
        data = np.asarray(weights(rng, name, shape), "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (at, at + len(data))}
        body.append(data)
        at += len(data)
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(body))


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    return {name: np.frombuffer(body[slice(*info["data_offsets"])], "<f4").reshape(info["shape"])
            for name, info in header.items() if info["dtype"] == "F32"}


def picture(width, height):
    """Smooth noise at six scales with grain, in steps of 16 bits: [3, height, width]."""
    rng, total = np.random.default_rng(2), np.zeros((3, height, width))
    for octave in range(1, 7):
        grid = rng.standard_normal((3, 2**octave + 1, 2**octave + 1))
        for axis, size in ((1, height), (2, width)):
            at = np.linspace(0, 2**octave - 1e-9, size)
            below = at.astype(int)
            share = (at - below).reshape((-1, 1) if axis == 1 else -1)
            grid = grid.take(below, axis) * (1 - share) + grid.take(below + 1, axis) * share
        total += grid * 0.7**octave
    total = 0.5 + 0.15 * total + 0.03 * rng.standard_normal(total.shape)
    return np.round(total.clip(0.02, 0.98) * 65535).astype(np.uint16)


def write_png(path, pixels):
    """[3, height, width] of 16 bits."""
    rows = pixels.transpose(1, 2, 0).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 16, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 1))
                     + chunk(b"IEND", b""))
