"""Corrected annotations: queued durably, turned into lessons in the background."""
