"""Reading and writing data sets: JSONL, JSON, CSV, Parquet; Alpaca, ShareGPT and messages rows."""

from factory.formats.python_objects import read_hub, records_from
from factory.formats.read import BadRow, read_records

__all__ = ["BadRow", "read_hub", "read_records", "records_from"]
