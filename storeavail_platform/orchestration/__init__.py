"""Everything Dagster: definitions, assets, jobs, schedules, sensors, how runs are launched,
healed and made up for.
"""
