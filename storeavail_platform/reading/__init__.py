"""Everything that only reads the warehouse: SQL over all countries, status, silences, the
analysts' API.
"""
