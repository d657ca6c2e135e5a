"""One learning method a file."""
