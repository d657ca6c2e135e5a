"""What a fitted model's modalities say alone: how much they disagree, and how much they tell together.

``metrics`` maps names to functions ``(model, test data) -> float`` for any fitted ``MultimodalClassifier``.
"""

import numpy as np
from numpy.typing import NDArray

import interplay as ip
from interplay.estimation.total_correlation import estimate_total_correlation
from interplay.training import evaluate, to_batch

ROWS = 600


def unimodal_log_posteriors(
    model: ip.MultimodalClassifier, data: ip.MultimodalDataset
) -> dict[str, NDArray[np.float64]]:
    """Log-probabilities ``(n, K)`` from each modality alone: the method's own, else its answer without the others."""
    device = next(model.method_.parameters()).device
    data = data.select(list(model.modality_names_))
    found = evaluate(model.method_, to_batch(data, shapes=model.shapes_).to(device), 1024).unimodal
    if found:
        return {name: logits.double().log_softmax(-1).cpu().numpy() for name, logits in found.items()}
    others = {name: [other for other in data.names if other != name] for name in data.names}
    return {name: np.log(np.maximum(model.predict_proba(data.without(*others[name])), 1e-30)) for name in data.names}


def divergence(model: ip.MultimodalClassifier, data: ip.MultimodalDataset) -> float:
    """Jensen-Shannon divergence in bits between the predictions from each modality alone: mean of rows and pairs.

    Only rows that have both modalities of a pair count; NaN for fewer than two modalities.
    """
    log_p = unimodal_log_posteriors(model, data)
    names = list(log_p)
    values = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = data.present[a] & data.present[b]
            p, q = log_p[a][both], log_p[b][both]
            middle = np.logaddexp(p, q) - np.log(2)
            each = [(np.exp(r) * (r - middle)).sum(1) for r in (p, q)]
            values.append(np.mean(each) / np.log(2) if both.any() else np.nan)
    return float(np.mean(values)) if values else float("nan")


def total_correlation(model: ip.MultimodalClassifier, data: ip.MultimodalDataset) -> float:
    """Total correlation in bits of the target and the predictions from each modality alone, estimated on held-out rows.

    TCNE on the test part itself (at most 600 rows, fixed draw), cross-fitted in three folds, critics started from the
    predictions, batches of 64: ceiling ``(M - 1) 6 + H(y)``. A lower bound of the total correlation of modalities and
    target; NaN for fewer than two modalities.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(data))[:ROWS])
    part = data[rows]
    log_p = unimodal_log_posteriors(model, part)
    if len(log_p) < 2:
        return float("nan")
    known = [int(i) for i in np.searchsorted(model.classes_, part.classes)]
    log_prior = model.method_.log_prior.double().cpu().numpy()
    start = {name: (p - log_prior)[:, known] for name, p in log_p.items()}
    said = ip.MultimodalDataset(start, part.target, present=part.present, groups=part.groups)
    return estimate_total_correlation(said, start=start, n_splits=3, batch_size=64, epochs=10, negatives=4096).total


metrics = {"divergence": divergence, "total_correlation": total_correlation}
