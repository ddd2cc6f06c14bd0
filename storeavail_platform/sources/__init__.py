"""Where raw readings come from: PostgreSQL, Elasticsearch, files. No Dagster, no SQL engine."""
