"""``interplay advise``."""
