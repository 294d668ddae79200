"""DuckDB reads a table of Iceberg from its metadata: ask.py METADATA_LOCATION S3_PORT USER PASSWORD SQL; prints the rows as JSON. The SQL calls the table t."""
import importlib, json, os, sys

import duckdb

metadata, port, user, password, sql = sys.argv[1:]
connection = duckdb.connect()
for name in ("avro", "httpfs", "iceberg"):
    package = os.path.dirname(importlib.import_module(f"duckdb_extension_{name}").__file__)
    connection.execute(f"LOAD '{package}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
connection.execute(
    f"CREATE SECRET (TYPE s3, KEY_ID '{user}', SECRET '{password}', REGION 'us-east-1', ENDPOINT '127.0.0.1:{port}', URL_STYLE 'path', USE_SSL false)"
)
connection.execute(f"CREATE VIEW t AS SELECT * FROM iceberg_scan('{metadata}')")
print(json.dumps(connection.execute(sql).fetchall(), default=str))
