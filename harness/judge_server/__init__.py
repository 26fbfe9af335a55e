"""The judge behind HTTP: who sends a candidate gets its verdict; too many at once are turned away."""
