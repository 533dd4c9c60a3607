"""The vocabulary every part shares: ids, records, sections, ports. No I/O, no clock, no randomness."""
