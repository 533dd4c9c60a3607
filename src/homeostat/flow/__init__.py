"""The imperative shell: whole journeys over the stages, with every read, write, clock and commit in one place."""
