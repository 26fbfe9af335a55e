"""The trusted side: owns the oracle, the inputs, the expected outputs, the clock and the verdict."""
