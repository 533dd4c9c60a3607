"""Stage 3, the data pipeline: contracts, quarantine, what to extract, dataset versions, the numbers behind a profile."""
