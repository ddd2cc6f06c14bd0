"""The Dagster assets: one module per kind of asset. Rules live outside this folder (`observe.py`, `compute.py`, `tables/`)."""
