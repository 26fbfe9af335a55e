"""The parts of the CUDA driver that torch does not give: memory shared between processes by descriptor."""
