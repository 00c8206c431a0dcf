"""The shapes in which people's tools spell rows, one file each: read into records, and written again."""

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.rows import SHAPES, parse_row, recognise

__all__ = ["SHAPES", "BadShape", "Parsed", "Row", "Shape", "parse_row", "recognise"]
