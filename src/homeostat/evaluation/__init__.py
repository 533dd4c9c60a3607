"""Stage 6: how good a candidate is on rows it never saw: every metric with an interval, segment by segment, and in money."""
