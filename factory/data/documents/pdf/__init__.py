"""A PDF as Markdown: its lines with their places, what repeats on each page, tables from their rules, paragraphs."""
