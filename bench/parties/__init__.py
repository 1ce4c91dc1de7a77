"""Who is measured: each sends the same order confirmation to the same receiver."""
