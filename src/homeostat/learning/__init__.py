"""Stage 5: learners, the search over them, and the decision threshold. Pure: clock and seed are arguments."""
