"""Class names to text embeds: vocabulary, prompt templates, the text encoder."""
