"""The figure of the gate against the projection."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import interplay as ip
from interplay.evaluation import Projection


def projection(n=12):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 2))
    logits -= logits.mean(1, keepdims=True)
    return Projection(logits, logits / 2, 0 * logits, np.arange(n), np.array([0, 1]), None)


def explained(found, factor=1.0):
    index = pd.Index(found.ids, name="id")
    return pd.DataFrame({"prediction": 0, "synergy": factor * found.table["interaction"], "unique:a": 0.0}, index=index)


def test_points_and_rank_correlation():
    found = projection()
    axes = ip.plot.agreement(found, explained(found, 3.0), ["one", "two"] * 6)
    points = np.vstack([c.get_offsets() for c in axes.collections if len(c.get_offsets()) == 6])
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(3 * points[:, 0]))
    assert axes.texts[0].get_text() == "correlation 1.00, of ranks 1.00"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["one (6)", "two (6)"]
    mean = np.ma.getdata(axes.collections[1].get_offsets())[0]
    np.testing.assert_allclose(mean, points[:6].mean(0))


def test_pairs_of_modalities_add_up_and_axes_are_kept():
    found, ax = projection(), Figure().subplots()
    parts = explained(found).drop(columns="synergy").assign(**{"synergy:a+b": 1.0, "synergy:a+c": 2.0})
    assert ip.plot.agreement(found, parts, ax=ax) is ax
    assert (np.ma.getdata(ax.collections[0].get_offsets())[:, 1] == 3).all()


def test_what_does_not_fit():
    found = projection()
    with pytest.raises(ValueError, match="different samples"):
        ip.plot.agreement(found, explained(found).iloc[::-1])
    with pytest.raises(ValueError, match="synergy"):
        ip.plot.agreement(found, explained(found).drop(columns="synergy"))
    with pytest.raises(ValueError, match="12 kinds"):
        ip.plot.agreement(found, explained(found), ["one"])
