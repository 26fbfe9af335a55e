"""What runs under Nsight Compute: one candidate, warmed up, then one call between the profiler's marks."""
