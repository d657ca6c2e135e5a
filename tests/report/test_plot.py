"""Figures show the numbers they were given, keep text literal, and touch no global state."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot, rcParams
from matplotlib.figure import Figure

from interplay.data.datasets import make_gates
from interplay.estimation import measure
from interplay.evaluation import Robustness, calibration_table, class_table
from interplay.report import plot


def png(axes):
    file = BytesIO()
    axes.figure.savefig(file, format="png")
    return file.getvalue()


def texts(axes):
    return [t.get_text() for t in axes.texts]


def test_interactions_draws_values_and_intervals(measurement):
    axes = plot.interactions(measurement)
    assert [patch.get_width() for patch in axes.patches] == [1.25, 0.5, 0.25, 0.125]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "redundancy",
        "unique:left",
        "unique:right",
        "synergy",
    ]
    assert texts(axes)[:2] == ["1.250", "0.500"]
    assert texts(axes)[2:] == ["0.250, not distinguishable from none", "0.125, not distinguishable from none"]
    assert [patch.get_facecolor()[3] for patch in axes.patches] == [1, 1, 0, 0]  # hollow where it may be none
    whiskers = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"]
    assert whiskers == [(1.0, 1.5), (0.4, 0.6), (0.0, 0.2)]
    assert "bits" in axes.get_xlabel()
    assert png(axes).startswith(b"\x89PNG")


def test_interactions_says_what_is_withheld(measurement):
    measurement["synergy"] = None
    axes = plot.interactions(measurement)
    assert len(axes.patches) == 3
    assert texts(axes)[-1] == "withheld"


def test_interactions_of_a_real_measurement():
    data = make_gates("XOR", n_samples=400, random_state=0).dataset
    found = measure(data, n_bootstrap=20, n_permutations=20, random_state=0)
    axes = plot.interactions(found)
    assert [patch.get_width() for patch in axes.patches] == list(found.parts.values())[:-1]
    sure = [found.distinguishable(part) for part in list(found.parts)[:-1]]
    assert [patch.get_facecolor()[3] == 1 for patch in axes.patches] == sure
    assert sure == [False, False, False, True]


def test_interactions_takes_an_object_too(measurement):
    class Measurement:
        def to_dict(self):
            return measurement

    assert len(plot.interactions(Measurement()).patches) == 4


def test_interactions_refuses_more_than_a_pair(measurement):
    with pytest.raises(ValueError, match="two modalities"):
        plot.interactions(measurement | {"unique": {"a": None, "b": None, "c": None}})


def test_missing_bars_are_means_over_seeds(results):
    axes = plot.missing_bars(results.score_frame())
    heights = [bar.get_height() for container in axes.containers for bar in getattr(container, "patches", [])]
    assert heights[:3] == pytest.approx([0.895, 0.595, 0.695])
    assert len(heights) == 6
    assert [t.get_text() for t in axes.get_xticklabels()] == ["complete", "without left", "without right"]
    chance = next(line for line in axes.lines if line.get_label() == "chance")
    assert chance.get_ydata()[0] == pytest.approx(0.095)
    png(axes)


def test_missing_bars_take_one_models_table():
    table = pd.DataFrame({"accuracy": [0.9, 0.5]}, index=pd.Index(["complete", "chance"], name="condition"))
    assert plot.missing_bars(table).containers[0].patches[0].get_height() == 0.9


def test_contributions_stack_for_and_against():
    frame = pd.DataFrame(
        {"prediction": ["a"], "probability": [0.5], "redundancy": [2.0], "unique:x": [-1.0], "synergy": [0.5]}
    )
    axes = plot.contributions(frame)
    spans = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert spans == [(0.0, 2.0), (0.0, -1.0), (2.0, 0.5)]
    with pytest.raises(ValueError, match="such as 'dmil'"):
        plot.contributions(frame[["prediction", "probability"]])


def test_history_follows_the_stages(records):
    axes = plot.history(records)
    assert texts(axes) == ["intra", "consistency", "joint"]
    losses = np.concatenate([line.get_ydata() for line in axes.lines if line.get_label() == "training loss"])
    assert losses.tolist() == [r["loss"] for r in records]
    epochs = np.concatenate([line.get_xdata() for line in axes.lines if line.get_label() == "training loss"])
    assert epochs.tolist() == list(range(1, 13))


def test_names_stay_literal_and_short():
    frame = pd.DataFrame({"prediction": [r"$\frac{$", "x" * 90], "probability": [1, 1], "redundancy": [1, 1]})
    axes = plot.contributions(frame)
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert labels[0] == r"0: \$\frac{\$ (100%)"
    assert len(labels[1]) <= 28
    png(axes)


def test_draws_into_axes_that_are_given(measurement):
    axes = Figure().subplots()
    assert plot.interactions(measurement, ax=axes) is axes


def test_no_global_state_is_touched(measurement, records):
    # The backend is chosen when it is first looked at; looking is no change.
    settings = {key: rcParams[key] for key in rcParams if key != "backend"}
    for axes in (plot.interactions(measurement), plot.history(records)):
        png(axes)
    assert pyplot.get_fignums() == []
    assert {key: rcParams[key] for key in settings} == settings


def curve(start, metric="accuracy"):
    """A result of two modalities whose curve falls from ``start`` to 0.5."""
    rates = pd.DataFrame({"rate": [0.0, 0.25, 0.5], metric: [start, (start + 0.5) / 2, 0.5]})
    rates = rates.assign(low=rates[metric] - 0.1, high=rates[metric] + 0.1, relative=rates[metric] / start)
    subsets = pd.DataFrame({"subset": ["a + b", "a", "$b"], "size": [2, 1, 1], metric: [start, 0.8, 0.8]})
    return Robustness(metric, 0.4, subsets, rates, pd.DataFrame(), draws=3, confidence=0.95)


def test_missing_curve_draws_the_curve_its_interval_the_subsets_and_chance():
    axes = curve(0.9).plot()
    line, chance, points = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 0.9], [0.25, 0.7], [0.5, 0.5]])
    assert list(chance.get_ydata()) == [0.4, 0.4]
    np.testing.assert_allclose(points.get_xydata(), [[0.5, 0.8], [0.5, 0.8]])
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.4, 1.0)
    assert texts(axes) == ["a", r"\$b"]
    heights = [t.xy[1] for t in axes.texts]
    assert abs(heights[0] - heights[1]) > 0.02  # equal scores, names apart
    assert png(axes)


def test_missing_curve_of_several_models_has_a_line_and_an_entry_each():
    axes = plot.missing_curve({"one": curve(0.9), "two": curve(0.8)})
    assert [line.get_ydata()[0] for line in axes.lines] == [0.9, 0.8, 0.4]
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    assert entries == ["one", "two", "best constant answer"]
    assert len({line.get_marker() for line in axes.lines}) == 3
    with pytest.raises(ValueError, match="results with one metric, found"):
        plot.missing_curve({"one": curve(0.9), "two": curve(0.8, "mae")})
    assert plot.missing_curve(curve(0.8, "mae")).get_ylabel() == "mean absolute error"


def test_comparison_draws_ranks_and_what_is_not_told_apart(tmp_path):
    from interplay.evaluation import Comparison
    from interplay.evaluation.comparison.store import Cell, Store

    store = Store(tmp_path)
    scores = {"best $1": 0.9, "middle": 0.8, "worst": 0.1}
    for dataset in range(8):
        for method, score in scores.items():
            row = {"condition": "complete", "rate": np.nan, "metric": "accuracy", "value": score + dataset / 100}
            store.write(Cell(str(dataset), method, 0), pd.DataFrame([row]), pd.DataFrame({"id": [0]}), {})
    found = Comparison.load(tmp_path)
    axes = found.plot()
    assert [t.get_text() for t in axes.get_yticklabels()] == [r"best \$1 1.0", "middle 2.0", "worst 3.0"]
    *each, mean = [line for line in axes.lines if line.get_marker() == "o"]
    assert list(mean.get_xdata()) == [1, 2, 3]
    assert len(each) == 8
    # Critical difference of three methods on eight data sets: 2.343 sqrt(3 4 / (6 8)) = 1.17.
    spans = [tuple(line.get_ydata()) for line in axes.lines if line.get_marker() != "o"]
    assert [(round(low + 0.2), round(high - 0.2)) for low, high in spans] == [(0, 1), (1, 2)]
    assert "critical difference 1.2" in axes.get_xlabel()
    assert png(axes).startswith(b"\x89PNG")


def test_composition_draws_the_class_table():
    explained = pd.DataFrame({"prediction": list("xxy"), "redundancy": [1.0, 0.0, 0.0], "synergy:a+b": [1.0, 2.0, 3.0]})
    axes = plot.composition(explained)
    assert [(p.get_x(), p.get_width()) for p in axes.patches] == [(0, 0.25), (0, 0), (0.25, 0.75), (0, 1)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x (n = 2)", "y (n = 1)"]
    assert axes.get_ylabel() == "predicted class"
    few = plot.composition(explained, ["u", "v", "v"], max_rows=1)
    assert [label.get_text() for label in few.get_yticklabels()] == ["v (n = 2)"]
    assert len(png(few)) > 1000
    again = plot.composition(class_table(explained, ["u", "v", "v"]))
    assert again.get_ylabel() == "true class"
    assert [label.get_text() for label in again.get_yticklabels()] == ["u (n = 1)", "v (n = 2)"]
    with pytest.raises(ValueError, match="use a method that has parts"):
        plot.composition(explained[["prediction"]])


def test_gate_usage_stacks_the_records_to_one():
    records = [
        {"stage": stage, "usage:redundancy": r, "usage:unique:a": 0.25, "usage:synergy": 0.75 - r}
        for stage, r in (("intra", 0.5), ("intra", 0.25), ("joint", 0.0))
    ]
    axes = plot.gate_usage(records)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["redundancy", "unique:a", "synergy"]
    assert texts(axes) == ["intra", "joint"]
    edges = [band.get_paths()[0].vertices for band in axes.collections]
    assert edges[0][:, 1].max() == 0.5  # redundancy from 0 to its share
    assert edges[-1][:, 1].max() == 1
    assert edges[-1][:, 1].min() == 0.25
    assert len(png(axes)) > 1000
    with pytest.raises(ValueError, match="use a method with a gate"):
        plot.gate_usage([{"stage": "fit", "loss": 1.0}])


def test_every_part_of_three_modalities_has_a_colour_of_its_own():
    parts = ["redundancy", "redundancy:a+b", "redundancy:a+c", "redundancy:b+c", "unique:a", "unique:b", "unique:c"]
    parts += ["synergy:a+b", "synergy:a+c", "synergy:b+c", "synergy"]
    table = pd.DataFrame([{"prediction": "x", "probability": 1.0, **dict.fromkeys(parts, 1.0)}])
    axes = plot.contributions(table)
    assert len({patch.get_facecolor() for patch in axes.patches}) == len(parts)


def test_calibration_draws_the_bins():
    table = calibration_table([0, 1, 1], [[0.8, 0.2], [0.8, 0.2], [0.4, 0.6]])
    axes = plot.calibration({"$one": table, "two": table.iloc[1:]})
    diagonal, one, two = axes.lines
    np.testing.assert_allclose(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(one.get_xydata(), [[0.6, 1.0], [0.8, 0.5]])
    np.testing.assert_allclose(two.get_xydata(), [[0.8, 0.5]])
    sizes = axes.collections[0].get_sizes()
    assert sizes[0] < sizes[1]  # one sample, two samples
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["as sure as right", r"\$one", "two"]
    assert len(plot.calibration(table).lines) == 2
    assert len(png(axes)) > 1000
