"""What runs under NVIDIA's tools: one candidate, for Nsight Compute or for compute-sanitizer."""
