"""Draws accuracy against trained parameters, a panel for each set, from the comparisons' JSON; light and dark.

Needs matplotlib of PyPI:

    python3 picture.py FOLDER_OF_THE_PICTURES NAME=comparison.json[,comparison.json] ...

Several files of a name are parts of one comparison. Points are means over the seeds, bars one standard deviation if there are
several; the dashed line is the linear probe, which trains the head alone. The picture of the README:

    python3 picture.py ../../../src/site/resources/images --of validation "Photos of clothes, a ViT-S/14=clothes-defaults.json"
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

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
    return next(iter(cell["seeds"].values()))["trained_without_head"]


def panel(axes, title, found, ground):
    ink, line = GROUNDS[ground]
    for name, (light, dark, mark) in METHODS.items():
        some = sorted((cell for cell in found if cell["method"] == name), key=trained)
        if some:
            axes.errorbar(
                [trained(cell) for cell in some],
                [100 * cell["accuracy_mean"] for cell in some],
                None if some[0]["accuracy_sd"] is None else [100 * cell["accuracy_sd"] for cell in some],
                color=light if ground == "light" else dark,
                marker=mark,
                markersize=7,
                capsize=3,
                linewidth=1.4,
                label=name,
            )
    for cell in found:
        if cell["method"] == "linear":
            axes.axhline(100 * cell["accuracy_mean"], linestyle="--", linewidth=1.2, color=ink, label="linear")
    axes.set_xscale("log")
    axes.set_title(title, color=ink, fontsize=11)
    axes.set_xlabel("trained parameters, without the head", color=ink)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n / 1e6:g} M" if n >= 1e6 else f"{n / 1e3:g} k"))
    axes.tick_params(colors=ink, which="both")
    axes.grid(color=line, linewidth=0.6)
    axes.set_facecolor("none")
    for side in axes.spines.values():
        side.set_color(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("sets", nargs="+", metavar="NAME=FILES")
    parser.add_argument("--of", default="test", help="which images the accuracies are of (%(default)s)")
    given = parser.parse_args()
    plt.rcParams.update({"svg.hashsalt": "grft", "font.family": "sans-serif", "svg.fonttype": "none", "font.size": 10})
    given.folder.mkdir(parents=True, exist_ok=True)
    for ground, (ink, _) in GROUNDS.items():
        figure, panels = plt.subplots(1, len(given.sets), figsize=(max(7, 5 * len(given.sets)), 3.9), squeeze=False)
        for axes, one in zip(panels[0], given.sets):
            title, paths = one.split("=", 1)
            panel(axes, title, list(cells(paths)), ground)
        panels[0][0].set_ylabel(f"accuracy on the {given.of} images, %", color=ink)
        marks = {label: mark for axes in panels[0] for mark, label in zip(*axes.get_legend_handles_labels())}
        figure.legend(marks.values(), marks.keys(), loc="lower center", ncols=(len(marks) + 1) // 2, frameon=False, labelcolor=ink, handletextpad=0.3, columnspacing=1)
        figure.tight_layout(rect=(0, 0.13, 1, 1))
        figure.savefig(given.folder / f"accuracy-{ground}.svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
