"""Metrics, missing-modality evaluation and comparisons."""
