"""Clicks and boxes to one mask."""
