"""Draws accuracy against trained parameters, a panel for each set, from the comparisons' JSON; light and dark.

Needs matplotlib of PyPI:

    python3 picture.py FOLDER_OF_THE_PICTURES NAME=comparison.json[,comparison.json] ...

Several files of a name are parts of one comparison. Points are means over the seeds, bars one standard deviation if there are
several; the dashed line is the linear probe, which trains the head alone. The pictures of the README and of the results:

    python3 picture.py ../../../src/site/resources/images --of validation \\
      "Clothes, 10 classes=clothes-ten-epochs.json" "Caltech-101=caltech-ten-epochs.json"
    python3 picture.py ../../../src/site/resources/images --name budgets \\
      "Caltech-101, three epochs=caltech-three-seeds.json"

With --keep FILE in place of the folder, what the picture needs of the comparisons is written to a file that is small enough to be kept.
A method that FILE has already with as many trained parameters is replaced:

    python3 picture.py --keep clothes-three-seeds.json runs/*/comparison.json
"""

import argparse
import itertools
import json
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from matplotlib.transforms import Bbox

# Color of each method on light and on dark ground, and its mark.
METHODS = {
    "grft": ("#0b62c4", "#6db1ff", "o"),
    "random": ("#c4510b", "#ffa25e", "s"),
    "magnitude": ("#12805c", "#5ed1a5", "^"),
    "last-layers": ("#6b6200", "#d8cb5a", "v"),
    "gps": ("#8c3fb0", "#cf9bf0", "D"),
    "lora": ("#a3234d", "#ff8fb0", "P"),
    "adapter": ("#3d5a80", "#a5bfe0", "X"),
    "bitfit": ("#7a4a2b", "#d8a98a", "*"),
    "full": ("#444444", "#cccccc", "h"),
}
GROUNDS = {"light": ("#1b1f27", "#c9cdd4"), "dark": ("#e8eaee", "#3a404c")}  # ink, lines


def cells(paths):
    for path in paths.split(","):
        yield from json.loads(pathlib.Path(path).read_text())["cells"]


def trained(cell):
    """Returns the trained parameters of a cell; it has them itself where the figures of its seeds were not kept."""
    return cell["trained_without_head"] if "trained_without_head" in cell else next(iter(cell["seeds"].values()))["trained_without_head"]


def points(found):
    """Yields method, parameters, mean and deviation in %; those of as many parameters stand a little apart."""
    used = []
    for name in METHODS:
        for cell in sorted((cell for cell in found if cell["method"] == name), key=trained):
            at = trained(cell)
            while any(abs(at / other - 1) < 0.05 for other in used):
                at *= 1.15
            used.append(at)
            yield name, at, 100 * cell["accuracy_mean"], 100 * (cell["accuracy_sd"] or 0)


def panel(axes, title, found, ground):
    ink, line = GROUNDS[ground]
    drawn, last = [], {}
    shown = list(points(found))
    ends = {name: at for name, at, _, _ in shown}
    for name, at, mean, sd in shown:
        light, dark, mark = METHODS[name]
        color = light if ground == "light" else dark
        if name in last:
            axes.plot(*zip(last[name], (at, mean)), color=color, linewidth=1.4)
        axes.errorbar(at, mean, sd or None, color=color, marker=mark, markersize=7, capsize=3, linewidth=1.4)
        drawn.append((name if at == ends[name] else None, at, mean, sd, color))
        last[name] = (at, mean)
    axes.set_xscale("log")
    for cell in found:
        if cell["method"] == "linear":
            mean, sd = 100 * cell["accuracy_mean"], 100 * (cell["accuracy_sd"] or 0)
            axes.axhspan(mean - sd, mean + sd, color=ink, alpha=0.12, linewidth=0)
            axes.axhline(mean, linestyle="--", linewidth=1.2, color=ink)
            drawn.append(("linear", None, mean, sd, ink))
    axes.margins(x=0.16, y=0.12)
    axes.set_title(title, color=ink, fontsize=11)
    axes.set_xlabel("trained parameters, without the head", color=ink)
    count = FuncFormatter(lambda n, _: f"{n / 1e6:g} M" if n >= 1e6 else f"{n / 1e3:g} k")
    axes.xaxis.set_major_formatter(count)
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.xaxis.set_minor_formatter(count)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.tick_params(colors=ink, which="both")
    axes.grid(color=line, linewidth=0.6)
    axes.set_facecolor("none")
    for side in axes.spines.values():
        side.set_color(line)
    return drawn


def label(axes, drawn):
    """Writes the name of each method beside its largest point, where nothing else stands; when the layout is settled."""
    scale = axes.figure.dpi / 72
    right, _ = axes.transData.inverted().transform(axes.transAxes.transform((0.92, 0)))
    drawn = [(name, at or right, mean, sd, color) for name, at, mean, sd, color in drawn]
    taken = []
    for _, at, mean, sd, _ in drawn:
        x, y = axes.transData.transform((at, mean))
        _, bottom = axes.transData.transform((at, mean - sd))
        _, top = axes.transData.transform((at, mean + sd))
        taken.append(Bbox.from_extents(x - 5 * scale, min(bottom, y - 5 * scale), x + 5 * scale, max(top, y + 5 * scale)))
    boxes = list(taken)
    for (name, at, mean, sd, color), box in zip(drawn, boxes):
        if name is None:
            continue
        x, y = axes.transData.transform((at, mean))
        above, below = (box.y1 - y) / scale + 3, (box.y0 - y) / scale - 3
        sides = [(0, above, "center", "bottom"), (0, below, "center", "top")]
        if name != "linear":
            sides = [(8, 0, "left", "center"), (-8, 0, "right", "center"), *sides]
            sides += [(h, v, "left" if h > 0 else "right", "center") for v, h in itertools.product((-9, 9, -16, 16, -24, 24), (-8, 8))]
        for beside, up, horizontal, vertical in sides:
            text = axes.annotate(
                name, (at, mean), (beside, up), textcoords="offset points", ha=horizontal, va=vertical, color=color, fontsize=9.5
            )
            place = text.get_window_extent().expanded(1.02, 1.0)
            free = not any(place.overlaps(other) for other in taken)
            if free and axes.bbox.containsx(place.x0) and axes.bbox.containsx(place.x1) and axes.bbox.containsy(place.y0) and axes.bbox.containsy(place.y1):
                break
            text.remove()
        else:
            raise SystemExit(f"picture.py: there is no place for the label {name} in '{axes.get_title()}'; draw a larger figure")
        taken.append(place)


def keep(file, paths):
    """Adds what the picture needs of comparisons to a file."""
    kept = json.loads(file.read_text())["cells"] if file.exists() else []
    for cell in itertools.chain.from_iterable(cells(path) for path in paths):
        seeds = {
            seed: {key: one[key] for key in ("accuracy", "loss", "trained_without_head", "test_images")}
            for seed, one in cell["seeds"].items()
        }
        new = {key: cell[key] for key in ("method", "budget", "accuracy_mean", "accuracy_sd")} | {"seeds": seeds}
        kept = [old for old in kept if (old["method"], trained(old)) != (new["method"], trained(new))] + [new]
    kept.sort(key=lambda cell: (cell["method"], trained(cell)))
    file.write_text(json.dumps({"cells": kept}, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("sets", nargs="+", metavar="NAME=FILES")
    parser.add_argument("--of", default="test", help="which images the accuracies are of (%(default)s)")
    parser.add_argument("--name", default="accuracy", help="what the pictures are called: NAME-light.svg, NAME-dark.svg (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="write what is needed of the files to FOLDER, a file, and draw nothing")
    given = parser.parse_args()
    if given.keep:
        keep(given.folder, given.sets)
        return
    plt.rcParams.update({"svg.hashsalt": "grft", "font.family": "sans-serif", "svg.fonttype": "none", "font.size": 10})
    given.folder.mkdir(parents=True, exist_ok=True)
    for ground, (ink, _) in GROUNDS.items():
        figure, panels = plt.subplots(1, len(given.sets), figsize=(max(7, 5.2 * len(given.sets)), 4.2), sharex=True, squeeze=False)
        labels = []
        for axes, one in zip(panels[0], given.sets):
            title, paths = one.split("=", 1)
            labels.append((axes, panel(axes, title, list(cells(paths)), ground)))
        panels[0][0].set_ylabel(f"accuracy on the {given.of} images, %", color=ink)
        figure.tight_layout()
        figure.canvas.draw()
        for axes, drawn in labels:
            label(axes, drawn)
        figure.savefig(given.folder / f"{given.name}-{ground}.svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
