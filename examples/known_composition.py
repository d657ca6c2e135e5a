"""What do the parts of a model hold? Ask data whose composition is known.

A quarter of the samples carries the class in both modalities, a quarter each in one of them, a quarter only in
their combination. Then: how right is each method on each kind, and where does dmil put its gate?

The ensemble is at chance where only the combination tells. dmil is right everywhere, and its gate goes to the part that
each sample's kind is named after.
"""

import numpy as np
import pandas as pd

import interplay as ip
from interplay.data.datasets import make_interactions

shares = {"redundancy": 0.25, "unique:a": 0.25, "unique:b": 0.25, "synergy": 0.25}
made = make_interactions(shares, n_classes=2, n_samples=3000, noise=0.2, random_state=0)
rows = np.random.default_rng(0).permutation(3000)
train, test = made.dataset[rows[:2000]], made.dataset[rows[2000:]]
kind = made.kind[rows[2000:]]

models = {
    name: ip.MultimodalClassifier(name, max_epochs=40, random_state=0).fit(train)
    for name in ("ensemble", "joint", "dmil")
}
right = pd.DataFrame({name: model.predict(test) == test.target for name, model in models.items()})
print("accuracy by the kind of a sample\n", right.groupby(kind).mean().round(3), "\n")

gate = models["dmil"].explain(test).filter(like="gate:").reset_index(drop=True)
print("mean weight of dmil's gate by the kind of a sample\n", gate.groupby(kind).mean().round(3))
