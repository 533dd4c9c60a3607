"""Stage 7: may this candidate serve? The charter's success clauses as gates, the verdict in sentences, and the rules of promotion."""
