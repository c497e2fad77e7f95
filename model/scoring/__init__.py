"""From features and text embeds to class probabilities at patch resolution."""
