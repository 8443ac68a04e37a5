"""What figures and training need: degradations, VMAF, filters, test clips."""
