"""The analysis of stage 4: from rows to the numbers behind the report. Frames in, frozen records out. Pure."""
