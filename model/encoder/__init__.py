"""Images to dense features: a CLIP vision transformer read at each patch."""
