"""Label Studio's side: its API, its labeling configs, its webhooks, its smart tools."""
