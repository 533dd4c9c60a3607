"""Pages for people: the assets they share."""
