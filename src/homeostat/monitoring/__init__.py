"""Stage 9: profiles of windows, findings against a reference, joined labels, and the cause behind what was found."""
