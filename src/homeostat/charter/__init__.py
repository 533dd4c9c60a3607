"""Stages 1 and 2: the charter (schema, loading, rules), a charter inferred from data, and the first verdict on feasibility."""
