"""Estimators of the team's own: the learner that stands for one, and what is done with it in a process of its own."""
