"""Standard nodes: numbers, text, lists, choices and prompts. Nothing here needs torch."""

from .constants import boolean, integer, number, seed, text
from .lists import (
    concat,
    flatten,
    length,
    list_of,
    pick,
    product,
    product3,
    range_of,
    repeat,
    seeds,
    slice_of,
)
from .logic import choose, given, select
from .maths import add, clamp, compare, multiply
from .prompts import prompt_file, prompt_list
from .texts import format_text, join, replace, split_lines

__all__ = [
    "add",
    "boolean",
    "choose",
    "clamp",
    "compare",
    "concat",
    "flatten",
    "format_text",
    "given",
    "integer",
    "join",
    "length",
    "list_of",
    "multiply",
    "number",
    "pick",
    "product",
    "product3",
    "prompt_file",
    "prompt_list",
    "range_of",
    "repeat",
    "replace",
    "seed",
    "seeds",
    "select",
    "slice_of",
    "split_lines",
    "text",
]
