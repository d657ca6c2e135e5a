"""
Measure: what do two modalities share?
======================================

Before training anything, ask the data. Two modalities can tell about a target in four ways: both say the same
(**redundancy**), one knows something alone (**unique** information, one part for each modality), or the answer shows
only when both are seen (**synergy**). This decides what you need: with redundancy a missing modality costs little,
with unique information each modality is worth its price, with synergy only a model that sees both at once will do.

You will measure small data sets whose answer is known, then real pictures, and learn when not to believe a number.
"""

# %%
# Data of which we know the answer
# --------------------------------
#
# Three logic gates of two fair coins, 500 draws each: the target is ``a xor b`` (nothing but synergy), a copy that
# both modalities carry (nothing but redundancy), and ``a and b`` (some of both). Everything is in bits: the target of
# ``XOR`` is a fair coin itself, so there is one bit to be told.

import matplotlib.pyplot as plt

import interplay as ip

quick = {"n_bootstrap": 50, "n_permutations": 50, "sensitivity": False, "random_state": 0}  # defaults are more thorough

for gate in ("XOR", "REDUNDANT", "AND"):
    made = ip.datasets.make_gates(gate, n_samples=500, random_state=0)
    found = ip.measure(made.dataset, **quick)
    truth = ip.decompose(made.joint)
    print(f"{gate:<9} synergy {found.synergy:.2f} bits (truth {truth.synergy:.2f}),", end=" ")
    print(f"redundancy {found.redundancy:.2f} (truth {truth.redundancy:.2f})")

# %%
# ``ip.decompose`` works on an exact table of probabilities, ``ip.measure`` on samples. Look at ``AND``: its inputs
# are independent coins, and yet 0.31 bits are redundant, since a zero in *either* says the same thing about the
# target. That is what the default definition (BROJA) calls redundancy; others differ, and :doc:`/definitions` says
# which to use when.
#
# Real pictures
# -------------
#
# Handwritten digits, cut into a left and a right half. The halves are the modalities, the digit is the target.

digits = ip.datasets.load_digit_halves()
found = ip.measure(digits, **quick)
print(found)

# %%
# By this count both halves say the same to some extent, each has much of its own, and a little shows only together.
# But the total is far below the :math:`\log_2 10 = 3.3` bits of a digit. That is not what the pictures hold: it is
# what is left after each half has become one of eight codes, for the default estimator counts codes, and coarse codes
# lose information. Classifiers lose less. They need no codes, only a model of each half and of both, judged on rows
# that they were not trained on:

by_models = ip.measure(digits, estimator="classifiers", n_repeats=1, n_splits=3, **quick)
print(f"total: {found.total:.2f} bits by counting codes, {by_models.total:.2f} bits by classifiers")

# %%
# The same as pictures. Whiskers are 95 % intervals; a hollow bar could not be told from none.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 2.8), layout="constrained")
ip.plot.interactions(found, ax=left).set_title("counting codes", loc="left")
ip.plot.interactions(by_models, ax=right).set_title("cross-fitted classifiers", loc="left")
right.set_yticklabels([])

# %%
# More is found, and the shares change: most of what looked unique is told by the other half, too, once each is read
# well. A code of eight values keeps one thing of a half and drops what it shares. So the parts are of what an
# estimator *sees*: with many features trust the classifiers, with codes or few features the counts, and look at both
# before you write a conclusion down.
#
# When not to believe a number
# ----------------------------
#
# Synergy is the part that noise imitates best. Take 80 rows with the labels in the wrong order, so that nothing is
# left to be told, and count:

few = digits[:80]
nothing = few.with_target(few.target[::-1])
noise = ip.measure(nothing, n_bins=4, **quick)
print(f"synergy by counting {noise.plugin['synergy']:.2f} bits, p = {noise.p_value:.2f}, estimate {noise.synergy}")
print(*noise.warnings, sep="\n")

# %%
# Counting alone finds plenty where there is nothing. So read the warnings first, then the interval and the p-value,
# and the estimate last. Leave ``sensitivity=True`` (the default) on real data: ``found.sensitivity`` then shows the
# same data with other numbers of codes, and a part that comes and goes there is no finding.
#
# Where to go from here
# ---------------------
#
# - No labelled pairs yet? :doc:`/gallery/2_bound`
# - How the estimators work, what they cover and where they are biased: :doc:`/measure`
