"""Converts between masks and Label Studio's regions: brush RLE, bitmask PNG, polygons."""
