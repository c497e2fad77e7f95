"""Corrections: taken in durably, turned into lessons in the background."""
