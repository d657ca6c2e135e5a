"""
Bound: what could fusion bring, before anybody labels a pair?
=============================================================

You have labelled recordings, labelled pictures of *other* people, and a heap of unlabelled pairs. Labelling pairs is
dear. Is it worth it? Nobody can know the accuracy of the pair from such data, but one can say between which limits it
must lie, whatever the truth is. This lesson shows the limits where they are exact, then on samples, and checks them
against labels that were hidden.
"""

# %%
# Three tables
# ------------
#
# What can be known without labelled pairs are three tables: modality and label, twice, and modality and modality.
# Take ``a and b`` of two fair coins. Each coin alone is right in three of four cases.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

import interplay as ip

coin_and_label = np.array([[0.5, 0.0], [0.25, 0.25]])  # p(x1, y) = p(x2, y)
coin_and_coin = np.full((2, 2), 0.25)
print(ip.synergy_bounds(coin_and_label, coin_and_label, coin_and_coin))

# %%
# The three tables leave no freedom here: together the coins must be right always, though nobody has seen a labelled
# pair. For ``xor`` they leave all of it. Each coin alone says nothing, and neither do the tables:

no_label = np.full((2, 2), 0.25)
print(ip.synergy_bounds(no_label, no_label, coin_and_coin))

# %%
# Between nothing and everything: that is the honest answer, and its advice is to label some pairs.
#
# From samples
# ------------
#
# Halves of handwritten digits; is the digit odd? Three different sets of people: lefts with labels, rights with
# labels, pairs without. ``ip.bound`` has no argument for labels of pairs, so it cannot look.

digits = ip.datasets.load_digit_halves()
odd = digits.with_target(digits.codes % 2)
left, rest = odd.split(2 / 3, random_state=0)
right, pairs = rest.split(0.5, random_state=0)

found = ip.bound(
    labelled={
        "left": (left.modalities["left"], left.target),
        "right": (right.modalities["right"], right.target),
    },
    pairs={"left": pairs.modalities["left"], "right": pairs.modalities["right"]},
    n_bootstrap=50,
    random_state=0,
)
print(found)
print(found.advice)

# %%
# Now look at what was hidden
# ---------------------------
#
# With the labels of the pairs we can train on half of them and test on the other half: each half of the picture
# alone, and both.

train, test = pairs.split(0.5, random_state=0)


def accuracy(*names):
    """Of a linear classifier on these modalities."""
    x, x_test = (np.hstack([part.modalities[name] for name in names]) for part in (train, test))
    return LogisticRegression(max_iter=2000).fit(x, train.target).score(x_test, test.target)


reached = {"left alone": accuracy("left"), "right alone": accuracy("right"), "both": accuracy("left", "right")}
print({name: round(value, 3) for name, value in reached.items()})

# %%
# The bar spans the limits of the pair's accuracy; dots are what the classifiers reached.

figure, axes = plt.subplots(figsize=(7, 2.4), layout="constrained")
low, high = found.accuracy
axes.barh(0, high - low, left=low, height=0.35, color="#56B4E9", label="limits for the pair, from unlabelled pairs")
for (name, value), marker, colour in zip(reached.items(), "<>o", ("#E69F00", "#009E73", "black"), strict=True):
    axes.plot(value, 0, marker, color=colour, markersize=9, label=f"{name}, seen later")
axes.set(xlabel="accuracy", yticks=[], ylim=(-0.5, 1.2), xlim=(0.5, 1.02))
axes.legend(loc="upper left", ncols=2, frameon=False, fontsize="small")

# %%
# What to be careful about
# ------------------------
#
# - The limits are about *codes*: each half became a few symbols. A network on the pixels may know more than the upper
#   end says about symbols; the lower end holds for it, too.
# - They are wide, and mean it. ``found.accuracy_additive`` is a guess of what to expect, and no limit.
# - Not with many classes: on a hundred classes a few symbols say nothing about what networks reach (:doc:`/bounds`
#   shows it).
# - People in several of the three sets? Say so by groups, or the limits are those of people that were seen before.
