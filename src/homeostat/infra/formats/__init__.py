"""File formats: bytes to rows in batches of bounded memory, every row a row or a broken line, no value changed by its type."""
