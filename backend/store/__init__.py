"""The connection to Redis or the embedded Valkey, and the keys kept there."""
