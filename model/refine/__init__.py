"""From patch probabilities to full resolution, along the edges of the image."""
