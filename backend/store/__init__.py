"""The Redis connection, or the embedded Valkey."""
