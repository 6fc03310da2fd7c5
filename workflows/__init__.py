"""Workflow templates: JSON documents that `graphflow run NAME` finds by name."""
