"""Where readings and tables are kept: the landing, the Iceberg tables and their catalog, and the markers of complete windows."""
