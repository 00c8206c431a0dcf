"""The shapes in which people's tools spell rows, one file each: read into records, and written again."""

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.registry import REGISTERED, SHAPES, recognise, shape_named
from factory.data.formats.shapes.source import parse_row, write_source_row
from factory.data.formats.shapes.usual import column_names, usual

__all__ = [
    "REGISTERED",
    "SHAPES",
    "BadShape",
    "Parsed",
    "Row",
    "Shape",
    "column_names",
    "parse_row",
    "recognise",
    "shape_named",
    "usual",
    "write_source_row",
]
