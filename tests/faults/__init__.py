"""What the delivery engine promises, each promise with the fault that tries to break it.

Every test is about one runtime, or about none, and runs once in CI; ``make test-faults`` runs
longer forms of the same tests and prints what came of them.
"""
