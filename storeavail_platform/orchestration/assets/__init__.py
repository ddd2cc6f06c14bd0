"""The Dagster assets, a module for each kind; what they compute lies in `pipeline/` and
`domain/tables`.
"""
