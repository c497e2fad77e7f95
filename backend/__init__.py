"""The service: Label Studio's requests in, brush masks out."""
