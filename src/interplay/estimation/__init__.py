"""From samples to information."""
