"""The trainer's speed against PyTorch's: the same network, batch and threads, in turns.

    python tests/peers/torch_speed.py target/release/vlunet-train [--rounds 3] [--steps 10]

Needs torch. The network is VLU-Net as the papers describe it, written for this comparison;
its parameters are counted against vlunet's, so that both train the same thing.
"""

import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
from torch import nn


class Mdta(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=False)
        self.dw = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=False)
        self.out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x):
        q, k, v = self.dw(self.qkv(x)).chunk(3, dim=1)
        return self.out(attend(q, k, v, self.heads, self.temperature))


class Phi(nn.Module):
    def __init__(self, dim, prompt):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(2, 1, 1))
        self.qv = nn.Conv2d(dim, 2 * dim, 1, bias=False)
        self.qv_dw = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim, bias=False)
        self.k = nn.Conv2d(prompt, dim, 1, bias=False)
        self.k_dw = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x, prompt):
        q, v = self.qv_dw(self.qv(x)).chunk(2, dim=1)
        return self.out(attend(q, self.k_dw(self.k(prompt)), v, 2, self.temperature))


def attend(q, k, v, heads, temperature):
    batch, channels, height, width = v.shape
    rows = (batch, heads, channels // heads, height * width)
    q, k, v = q.reshape(rows), k.reshape(rows), v.reshape(rows)
    scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * temperature
    return (scores.softmax(-1) @ v).reshape(batch, channels, height, width)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, dim, heads, hidden):
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(dim), ChannelNorm(dim)
        self.attn = Mdta(dim, heads)
        self.into = nn.Conv2d(dim, 2 * hidden, 1, bias=False)
        self.dw = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.out = nn.Conv2d(hidden, dim, 1, bias=False)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        a, b = self.dw(self.into(self.norm2(x))).chunk(2, dim=1)
        return x + self.out(F.gelu(a) * b)


class Stage(nn.Module):
    def __init__(self, dim, stage, heads, blocks, factor, prompts):
        super().__init__()
        side = 96 // stage
        self.prompts = nn.Parameter(torch.randn(1, prompts, dim // 10 * stage, side, side))
        self.linear = nn.Linear(512, prompts)
        self.phi, self.phit = Phi(dim, dim // 10 * stage), Mdta(dim, 2)
        self.r = nn.Parameter(torch.tensor([0.5]))
        self.blocks = nn.Sequential(*[Block(dim, heads, int(dim * factor)) for _ in range(blocks)])

    def forward(self, x, y, d):
        weights = self.linear(d).softmax(-1)[:, :, None, None, None]
        prompt = (weights * self.prompts).sum(1)
        prompt = F.interpolate(prompt, x.shape[-2:], mode="bilinear")
        return self.blocks(x - self.r * self.phit(self.phi(x, prompt) - y))


class VluNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, self.stem = config["dim"], config.get("stem", 1)
        image = 3 * self.stem**2
        blocks, heads = config["num_blocks"], config["heads"]

        def conv(i, o, size=3):
            return nn.Conv2d(i, o, size, padding=size // 2, bias=False)

        def stage(multiple, number, index, count=None):
            return Stage(dim * multiple, number, heads[index], count or blocks[index],
                         config["ffn_expansion_factor"], config["de_dim"])

        self.embed, self.embed_y = conv(image, dim), conv(image, dim)
        self.encoders = nn.ModuleList([stage(1, 1, 0), stage(2, 2, 1), stage(4, 3, 2), stage(8, 4, 3)])
        self.down = nn.ModuleList([conv(dim * m, dim * m // 2) for m in (1, 2, 4)])
        self.down_y = nn.ModuleList([conv(dim * m, dim * m // 2) for m in (2, 4)])
        self.up = nn.ModuleList([conv(dim * m, 2 * dim * m) for m in (8, 4, 2)])
        self.up_y = nn.ModuleList([conv(dim * m, 2 * dim * m) for m in (8, 4, 2)])
        self.reduce = nn.ModuleList([conv(dim * m, dim * m // 2, 1) for m in (8, 4)])
        self.reduce_y = nn.ModuleList([conv(dim * m, dim * m // 2, 1) for m in (8, 4)])
        self.decoders = nn.ModuleList([stage(4, 3, 2), stage(2, 2, 1), stage(2, 1, 0)])
        self.refinement = stage(2, 1, 0, config["num_refinement_blocks"])
        self.output = conv(2 * dim, image)

    def forward(self, image, d):
        seen = F.pixel_unshuffle(image, self.stem)
        x, y = self.embed(seen), self.embed_y(seen)
        xs, ys = [], []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x, y, d)
            if level < 3:
                xs.append(x)
                ys.append(y)
                down_y = self.down[0] if level == 0 else self.down_y[level - 1]
                x, y = F.pixel_unshuffle(self.down[level](x), 2), F.pixel_unshuffle(down_y(y), 2)
        for level, decoder in enumerate(self.decoders):
            x = torch.cat([F.pixel_shuffle(self.up[level](x), 2), xs.pop()], 1)
            y = torch.cat([F.pixel_shuffle(self.up_y[level](y), 2), ys.pop()], 1)
            if level < 2:
                x, y = self.reduce[level](x), self.reduce_y[level](y)
            x = decoder(x, y, d)
        x = self.refinement(x, y, d)
        return image + F.pixel_shuffle(self.output(x), self.stem)


PRESETS = {
    "nano": dict(dim=12, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, heads=[1, 2, 4, 8],
                 ffn_expansion_factor=2.667, de_dim=8, stem=2),
    "small": dict(dim=24, num_blocks=[2, 3, 3, 4], num_refinement_blocks=2, heads=[1, 2, 4, 8],
                  ffn_expansion_factor=2.66, de_dim=8, stem=2),
}


def torch_round(net, optimizer, args):
    image = torch.rand(args.batch, 3, args.patch, args.patch)
    d = torch.rand(args.batch, 512)
    times = []
    for step in range(args.steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        (net(image, d) - image * 0.5).abs().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if step:
            times.append(time.perf_counter() - start)
    return args.batch / statistics.median(times)


def vlunet_round(args):
    command = [args.program, "speed", "--json", "--network", args.network, "--patch", str(args.patch),
               "--batch", str(args.batch), "--threads", str(args.threads), "--steps", str(args.steps)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--network", default="nano", choices=PRESETS)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net = VluNet(PRESETS[args.network])
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    print(f"torch {torch.__version__}, {sum(p.numel() for p in net.parameters())} parameters, "
          f"{args.network}, {args.batch} patches of {args.patch}, {args.threads} threads")
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(vlunet_round(args))
        theirs.append(torch_round(net, optimizer, args))
        print(f"vlunet-train {ours[-1]['images_per_s']:.1f} patches/s, torch {theirs[-1]:.1f}")
    speed = statistics.median(run["images_per_s"] for run in ours)
    share = statistics.median(run["peak_share"] for run in ours)
    print(f"median: vlunet-train {speed:.1f} patches/s ({share:.0%} of peak), "
          f"torch {statistics.median(theirs):.1f}; ratio {speed / statistics.median(theirs):.2f}")


if __name__ == "__main__":
    main()
