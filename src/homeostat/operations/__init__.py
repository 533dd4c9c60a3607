"""Stage 10: what to do about a diagnosis, within the policy, and the words for it."""
