"""Names that Dagster homes give to modules since 0.1.0: they stay importable, so that every
release finds them there.
"""
