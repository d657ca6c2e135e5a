"""
Train and explain: what is this prediction made of?
===================================================

A model that is right 95 times in 100 may still be no use if nobody knows what it looked at. Here you train ``dmil``,
which answers with a mixture of parts (what the modalities share, what each has alone, what only both tell) and a gate
that weighs them sample by sample; read an explanation; and, before believing any of it, test the parts on data whose
composition is known.
"""

# %%
# Train
# -----
#
# Halves of handwritten digits again, a quarter for testing. The epoch is chosen on a share of the *training* part;
# the test part is used once, below. Models follow scikit-learn: ``fit``, ``predict``, ``score``, ``clone``,
# ``GridSearchCV``.

import matplotlib.pyplot as plt
import numpy as np

import interplay as ip

digits = ip.datasets.load_digit_halves()[:600]
train, test = digits.split(0.25, random_state=0)
model = ip.MultimodalClassifier("dmil", max_epochs=6, learning_rate=3e-3, random_state=0).fit(train)
print(f"accuracy on the test part: {model.score(test):.3f}")

# %%
# Three stages were trained, one after another; the dashed lines are where one ends.

figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
ip.plot.history(model.history_, ax=axes)

# %%
# Explain
# -------
#
# One row a sample. A contribution is the gate's weight of a part times how far that part pushes towards the predicted
# class; negative ones speak against it.

rows = model.explain(test)
parts = ["redundancy", "unique:left", "unique:right", "synergy"]
print(rows[["prediction", "probability", *parts]].head().round(2))

# %%
# Some rows as bars, and the mean share of each part in what speaks for the prediction, digit by digit:

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
ip.plot.contributions(rows, ax=left, max_rows=8)
ip.plot.composition(rows, ax=right)

# %%
# It is tempting to read this as a fact about digits. It is a fact about *this model*. Other parts could have given
# the same answers: a gate over four plain networks is as accurate, and its parts carry whatever the optimiser left
# there. So:
#
# Test the parts where the truth is known
# ---------------------------------------
#
# ``make_interactions`` draws samples whose class is carried by one known kind of interaction each, which gives a
# question with a right answer: does the largest contribution belong to the kind that is there? ("routing"; guessing
# is right one time in four.) And does the synergy part, asked alone, stay at chance where there is no synergy?
# ("leak"; 0 is perfect.)

known = {"n_classes": 2, "n_samples": 1000, "noise": 0.3, "max_epochs": 8, "learning_rate": 3e-3, "random_state": 0}
checked = {name: ip.evaluation.faithfulness(name, **known) for name in ("dmil", "gatedmixture")}
for name, result in checked.items():
    print(f"{name:<13} accuracy {result.accuracy:.2f}, routing {result.routing:.2f}, leak {result.synergy_leak:.2f}")

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
at = np.arange(3)
for i, (name, result) in enumerate(checked.items()):
    values = [result.accuracy, result.routing, result.synergy_leak]
    bars = axes.bar(at + 0.4 * i, values, 0.38, color=("#0072B2", "#E69F00")[i], hatch=("", "//")[i], label=name)
    axes.bar_label(bars, fmt="%.2f", padding=2)
axes.set(xticks=at + 0.2, xticklabels=["accuracy", "routing", "leak"], ylim=(0, 1.15))
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)

# %%
# Both are accurate, and the gate of the plain mixture even finds more kinds than guessing would. But ask its "synergy"
# alone: it knows the answer where there is no synergy to be known. A leak of 0.5 is all there can be with two classes;
# that part is a joint classifier under another name, and a large contribution of it says nothing. (On more data its
# routing falls to guessing, too: :doc:`/methods/dmil`.) The parts of ``dmil`` are what they are called, because its
# default preset is trained for that.
#
# What to be careful about
# ------------------------
#
# - A test on generated data shows that the method *can* tell kinds apart; it does not show that it does on yours.
#   Where the kind of a sample leaves no trace in its features, no model can route it.
# - Contributions are log-odds of a model, not bits of the data. For the data as a whole use
#   :doc:`/gallery/1_measure`.
# - The explanation costs time: ``dmil`` takes several times as long to train as ``joint`` (:doc:`/methods/dmil`).
