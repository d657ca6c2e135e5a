"""Draw the README's picture from what `interplay demo` found.

interplay demo --output interplay-demo --seeds 3 && python docs/figures.py interplay-demo
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from interplay import plot
from interplay.evaluation.results import Results


def main(run: str) -> None:
    results = Results.load(run)
    figure = Figure(figsize=(11.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[4, 7])
    plot.interactions(results.measurement, ax=left)
    plot.missing_bars(results.score_frame(), ax=right)
    path = Path(__file__).parent / "images" / "demo.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
