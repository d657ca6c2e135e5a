"""
Missing modalities: how does it break, and what helps?
======================================================

A camera is dark, a patient skipped a scan. In interplay a missing modality is said by a mask, or by ``None``, never
by a zero that could be a value; what stands under the mask changes no result. Every method answers then, but not
every method answers well. Here you measure how three of them break, mend the worst by training for it, and fill in
what is missing.
"""

# %%
# Three models, the same data
# ---------------------------
#
# ``joint`` puts both halves into one network. ``ensemble`` averages two networks, one a half. The third is ``joint``
# again, but in each epoch its training rows lose three in ten of their modalities, others each time
# (``missing=0.3``).

import matplotlib.pyplot as plt

import interplay as ip

train, test = ip.datasets.load_digit_halves(split=True)
settings = {"max_epochs": 15, "batch_size": 128, "learning_rate": 3e-3, "random_state": 0}
models = {
    "joint": ip.MultimodalClassifier("joint", **settings),
    "ensemble": ip.MultimodalClassifier("ensemble", **settings),
    "joint, trained with gaps": ip.MultimodalClassifier("joint", missing=0.3, **settings),
}
for model in models.values():
    model.fit(train)

# %%
# One absent modality is ``None``, or a data set that says so:

absent = {"left": None, "right": test.modalities["right"]}
for name, model in models.items():
    without = (model.predict(absent) == test.target).mean()
    print(f"{name:<25} complete {model.score(test):.3f}, without the left half {without:.3f}")

# %%
# All rates, all subsets
# ----------------------
#
# ``robustness`` tests a fitted model with each subset of its modalities and over missing rates. Nothing is trained
# again, and all models see the same gaps.

found = {name: ip.evaluation.robustness(model, test, draws=5) for name, model in models.items()}
print(found["joint"].table().round(3))
print(found["joint"].sentence())

# %%
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
ip.plot.missing_curve(found, ax=axes)

# %%
# All three are about as good with everything there. What they do *without* differs: ``joint`` never met such rows,
# and fills the gap with the mean picture; training with gaps repairs most of it, at no cost here. The plain average
# of two networks is better still, since each half of a digit says much by itself. Such cheap controls come first: any
# cleverer method must beat them.
#
# Effective robustness says the same in one number: what is kept beyond what a model that reads one modality only
# would keep.

for name, result in found.items():
    print(f"{name:<25} keeps {result.relative:.1%} of its accuracy, effective robustness {result.effective():+.3f}")

# %%
# Fill in what is missing
# -----------------------
#
# ``cyin`` learns to tell the latent of one modality from the others, and says how sure it is. Here are left halves as
# they were, and as it imagines them from the right halves alone.

cyin = ip.MultimodalClassifier("cyin", max_epochs=15, batch_size=128, learning_rate=3e-3, random_state=0).fit(train)
filled = cyin.impute(test[:8].without("left"))
print(f"cyin without the left half: {cyin.score(test.without('left')):.3f}")

figure, axes = plt.subplots(2, 8, figsize=(9, 3), layout="constrained")
for column in range(8):
    for row, picture in enumerate((test.modalities["left"][column], filled.features["left"][column])):
        axes[row, column].imshow(picture.reshape(8, 4), cmap="gray_r", vmin=0, vmax=1)
        axes[row, column].set(xticks=[], yticks=[])
    axes[0, column].set_title(str(test.target[column]))
axes[0, 0].set_ylabel("as it was")
axes[1, 0].set_ylabel("filled in")

# %%
# The filled halves are blurred: they are means over what the left half *could* be, and ``filled.sd`` says how far it
# may be from that.
#
# What to be careful about
# ------------------------
#
# - Choose on a validation part under the gaps you expect, not by the complete score; a rate drawn at random is easy
#   compared with a camera that fails at night, when it is needed most.
# - Look at calibration with gaps, too (column ``ece`` of ``robustness(...).subsets``): a model may be as sure as
#   before, and wrong.
# - Imputed values are for predictions. To draw conclusions about the data themselves, use multiple imputation.
#
# More: :doc:`/missing`, and two recipes, :doc:`/missing_data` and :doc:`/missing_sensor`.
