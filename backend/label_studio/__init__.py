"""Label Studio's protocol: its API, labeling configs, webhooks, smart tools and extra params."""
