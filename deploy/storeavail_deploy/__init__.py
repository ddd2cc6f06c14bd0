"""What a country runs on: its buckets, roles, cluster, alarms and application, from the
platform's own configuration file.
"""
