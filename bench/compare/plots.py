"""A picture: a small chart of bars for each row, each bar how many times as good as the floor."""

import os

import rows

COLUMNS = 4
LONGEST = 5.0  # bars that would be longer end with an arrow
COLOURS = {"plain": "#9a9a9a", "floor": "#4d4d4d", "tuned": "#707070"}
NACRE_COLOURS = ("#0b6e99", "#3d9bc4", "#86c5e0", "#b5a3d6")
PEER_COLOUR = "#d8a657"


def colour(name, nacres):
    return NACRE_COLOURS[nacres.index(name) % len(NACRE_COLOURS)] if name in nacres else COLOURS.get(name, PEER_COLOUR)


def draw_row(axes, results, row, names):
    nacres = [name for name in names if name.startswith("nacre-")]
    speeds = [results.speed(row, name, "floor") or 0 for name in names]
    most = max(max(speeds), 1.0)
    shown = min(most, LONGEST)
    places = range(len(names) - 1, -1, -1)
    axes.barh(list(places), [min(speed, shown) for speed in speeds], color=[colour(n, nacres) for n in names],
              height=0.78)
    for place, speed in zip(places, speeds):
        text = "–" if speed == 0 else ("%.1f" if speed >= 10 else "%.2f") % speed
        axes.text(min(speed, shown) + shown * 0.025, place, text + " ▸" * (speed > shown), va="center", fontsize=7.5,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    axes.axvline(1.0, color="#4d4d4d", linewidth=0.8, linestyle="--", zorder=0.5 if most > 1.5 else 1.5)
    axes.set_xlim(0, shown * 1.22)
    axes.set_yticks(list(places))
    axes.set_yticklabels([results.contestants[name].title for name in names], fontsize=7.5)
    axes.tick_params(axis="x", labelsize=6.5)
    axes.tick_params(axis="y", length=0)
    axes.set_title(rows.title(row, results.options), fontsize=9, loc="left", fontweight="bold")
    for side in "top", "right":
        axes.spines[side].set_visible(False)


def draw(results, folder):
    """bench.svg and bench.png; None, or why there are none."""
    try:
        import matplotlib
    except ImportError:
        return "no plots: python3-matplotlib is not installed"
    matplotlib.use("Agg")
    from matplotlib import pyplot
    shown = [row for row in rows.ROWS if results.median(row.name, "floor") and not row.name.startswith("beyond")]
    if not shown:
        return "no plots: the floor did not take part"
    matplotlib.rcParams.update({"svg.hashsalt": "nacre", "svg.fonttype": "none"})
    names = list(results.contestants)
    lines = -(-len(shown) // COLUMNS)
    figure, grid = pyplot.subplots(lines, COLUMNS, squeeze=False,
                                   figsize=(3.4 * COLUMNS, (0.19 * len(names) + 0.62) * lines + 0.5))
    flat = [axes for line in grid for axes in line]
    for axes, row in zip(flat, shown):
        draw_row(axes, results, row, names)
    for axes in flat[len(shown):]:
        axes.set_visible(False)
    figure.suptitle("How many times as good as FUSE without cryptography (the floor, dashed): longer is better",
                    fontsize=11, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(os.path.join(folder, "bench.svg"), metadata={"Date": None})
    figure.savefig(os.path.join(folder, "bench.png"), dpi=110)
    pyplot.close(figure)
    return None
