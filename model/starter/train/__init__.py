"""The recipe of the starter checkpoint: from photos with texts to one safetensors file."""
