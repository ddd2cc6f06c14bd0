"""The work itself, as plain functions: observe a window, compute it, roll up its local dates,
with the parts put together by `runtime`.
"""
