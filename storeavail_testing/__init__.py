"""The real servers that tests use: PostgreSQL from a wheel, Elasticsearch and the Hive
Metastore from Maven, all on loopback.
"""
