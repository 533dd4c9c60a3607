"""One file per revision of the ledger's schema; a published one never changes."""
