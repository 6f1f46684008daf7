"""Metrics: pure functions on numbers, strings, boxes and masks."""
