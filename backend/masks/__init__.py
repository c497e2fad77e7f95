"""Masks as Label Studio's regions and back: brush RLE, bitmask PNG, polygons."""
