"""The arguments of both scripts, and the seconds that their parts take."""

import argparse
import os
import pathlib
import time


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "photos", "output"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--size", type=int, default=112, help="pixels")
    parser.add_argument("--workers", type=int, default=0, help="processes that read photos; 0: the main one reads them")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


class Clock:
    """Seconds of each part, from the start of the process on (Linux)."""

    def __init__(self):
        ticks = float(pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up = float(pathlib.Path("/proc/uptime").read_text().split()[0])
        self.begun = self.last = time.perf_counter() - (up - ticks / os.sysconf("SC_CLK_TCK"))
        self.parts = {}

    def __call__(self, part):
        now = time.perf_counter()
        self.parts[part] = now - self.last
        self.last = now

    def seconds(self):
        return {part: round(s, 1) for part, s in self.parts.items()} | {"total": round(self.last - self.begun, 1)}
