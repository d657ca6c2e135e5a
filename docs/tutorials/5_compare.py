"""
Compare: is this method really better?
======================================

A method that wins by half a percent on one split has won a coin toss. ``ip.compare`` trains methods on data sets with
several seeds, keeps every finished cell on disk, and says which differences would show up again. This lesson compares
four methods on two data sets, adds seeds to what is there, and reads the result with care.
"""

# %%
# The grid
# --------
#
# Two data sets that ask for different things: halves of digits (each half says much alone) and pure synergy (the
# class is the sum of two codes; each modality alone says nothing). ``logistic`` is a linear model on all features
# side by side. No comparison should be without such a control.

import tempfile

import matplotlib.pyplot as plt
import pandas as pd

import interplay as ip

data = {
    "digits": ip.datasets.load_digit_halves()[:600],
    "synergy": ip.datasets.make_interactions({"synergy": 1.0}, n_samples=600, random_state=0).dataset,
}
methods = ["logistic", "ensemble", "joint", "naivebayes"]
folder = tempfile.mkdtemp()
grid = {"folder": folder, "settings": {"max_epochs": 12, "learning_rate": 3e-3}, "missing": False, "progress": False}
found = ip.compare(methods, data, seeds=1, **grid)
print(found.table())

# %%
# One seed. It looks like a result, and there is no telling whether it is one. Ask for three: the call below finds the
# cells of seed 0 in the folder and runs only the others. The same happens after a crash.

found = ip.compare(methods, data, seeds=3, **grid)
print(found.table(text=True))

# %%
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
values = found.frame.query("condition == 'complete' and metric == 'accuracy'")
for i, (name, each) in enumerate(values.groupby("dataset")):
    for j, method in enumerate(methods):
        y = each.loc[each["method"] == method, "value"]
        axes.plot(y, [j + 0.16 * (2 * i - 1)] * len(y), "os"[i], color=("#0072B2", "#D55E00")[i], alpha=0.6, label=name)
axes.set(yticks=range(len(methods)), yticklabels=methods, xlabel="accuracy on the test part, one point a seed")
axes.invert_yaxis()
entries = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
axes.legend(entries.values(), entries.keys(), frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)

# %%
# The picture says more than a rank: on digits all four lie together, on synergy only ``joint`` can do it at all. A
# sum of one score a modality (``logistic``, ``ensemble``, ``naivebayes``) *cannot* form synergy, however long it is
# trained.
#
# Which differences are real?
# ---------------------------
#
# The test draws seeds and test samples again and again and asks whether the difference stays. ``p_holm`` is corrected
# for the number of questions asked, so ask few: name the baseline that matters.

with pd.option_context("display.width", 120, "display.max_columns", 20):
    print(found.tests(baseline="joint").round(3))

# %%
# And what does it cost?

print(found.cost()[["seconds", "parameters"]].round(2))

# %%
# What to be careful about
# ------------------------
#
# - Three seeds say little about seeds, 150 test rows little about samples: the interval knows only what it has seen.
# - Means of ranks hide sizes. With two data sets a critical-difference figure (``found.plot()``) can tell nothing
#   apart; with six, p can never fall below 0.03.
# - Settings were the same for all and nothing was tuned. That is fair only as far as the settings suit all.
# - Every look at the test parts to choose something makes them training data. Choose on validation parts; look here
#   once.
#
# From files and on many machines: :doc:`/compare`. Real data: :doc:`/methods_benchmark`.
