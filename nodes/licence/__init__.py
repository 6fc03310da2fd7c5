"""What the licences of models allow, and a gate that checks it before anything runs."""

from .gate import licence_gate

__all__ = ["licence_gate"]
