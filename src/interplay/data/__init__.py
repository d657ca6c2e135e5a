"""What a multimodal sample is: named arrays and explicit presence masks."""

from interplay.data import missing
from interplay.data.dataset import MultimodalDataset, as_dataset
from interplay.data.files import load, save
from interplay.data.text import tokenize
from interplay.data.validation import check_target

__all__ = ["MultimodalDataset", "as_dataset", "check_target", "load", "missing", "save", "tokenize"]
