"""A dataset as ``X`` of scikit-learn."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)

from interplay.data import MultimodalDataset


class OneModality(ClassifierMixin, BaseEstimator):
    """Logistic regression on the modality called ``name``."""

    def __init__(self, name="noise"):
        self.name = name

    def fit(self, X, y):
        assert isinstance(X, MultimodalDataset)
        np.testing.assert_array_equal(X.target, y)
        self.model_ = LogisticRegression().fit(X.modalities[self.name], y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        assert isinstance(X, MultimodalDataset)
        return self.model_.predict(X.modalities[self.name])


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    y = rng.choice(["no", "yes"], 120)
    signal = (y == "yes")[:, None] + 0.1 * rng.normal(size=(120, 2))
    noise = rng.normal(size=(120, 2))
    return MultimodalDataset({"signal": signal, "noise": noise}, y, groups=np.arange(120) // 10)


def test_train_test_split(dataset):
    train, test, y_train, y_test = train_test_split(dataset, dataset.target, stratify=dataset.target, random_state=0)
    assert isinstance(train, MultimodalDataset)
    np.testing.assert_array_equal(train.target, y_train)
    np.testing.assert_array_equal(test.target, y_test)
    assert len(test) == 30
    assert OneModality("signal").fit(train, y_train).score(test, y_test) == 1


@pytest.mark.parametrize("cv", [3, KFold(4, shuffle=True, random_state=0), StratifiedKFold(3), GroupKFold(3)])
def test_cross_val_score(dataset, cv):
    groups = dataset.groups if isinstance(cv, GroupKFold) else None
    scores = cross_val_score(OneModality("signal"), dataset, dataset.target, cv=cv, groups=groups)
    np.testing.assert_array_equal(scores, 1)


def test_group_folds_keep_subjects_together(dataset):
    for train, test in GroupKFold(4).split(dataset, dataset.target, dataset.groups):
        assert not set(dataset[train].groups) & set(dataset[test].groups)


def test_cross_val_predict(dataset):
    predicted = cross_val_predict(OneModality("signal"), dataset, dataset.target, cv=3)
    np.testing.assert_array_equal(predicted, dataset.target)


def test_grid_search(dataset):
    search = GridSearchCV(OneModality(), {"name": ["noise", "signal"]}, cv=KFold(3))
    search.fit(dataset, dataset.target)
    assert search.best_params_ == {"name": "signal"}
    assert search.predict(dataset[:5]).tolist() == dataset.target[:5].tolist()
    assert search.score(dataset, dataset.target) == 1


def test_other_processes(dataset):
    scores = cross_val_score(clone(OneModality("signal")), dataset, dataset.target, cv=2, n_jobs=2)
    np.testing.assert_array_equal(scores, 1)
