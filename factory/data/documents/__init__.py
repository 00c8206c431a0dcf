"""Documents as records: PDF, DOCX, EPUB, HTML, Markdown, text, notebooks, and the JSON of other converters."""
