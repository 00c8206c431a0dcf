"""Reading and writing data sets: JSONL, JSON, CSV, Parquet; Alpaca, ShareGPT and messages rows."""

from factory.data.formats.python_objects import read_hub, records_from
from factory.data.formats.read import BadRow, read_records
from factory.data.formats.write import WrittenFile, write_dataset, write_file

__all__ = ["BadRow", "WrittenFile", "read_hub", "read_records", "records_from", "write_dataset", "write_file"]
