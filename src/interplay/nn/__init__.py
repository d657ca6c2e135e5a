"""Network parts that know no method. Imports nothing from the package."""
