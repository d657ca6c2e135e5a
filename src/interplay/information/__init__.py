"""Exact information theory on discrete joint distributions. Imports nothing from the package."""
