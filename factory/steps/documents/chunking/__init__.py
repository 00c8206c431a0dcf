"""From a document's text to chunks: its sentences, rows and headings, and how they are packed."""
