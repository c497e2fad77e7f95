"""The HTTP service: routes, JSON bodies, basic authentication."""
