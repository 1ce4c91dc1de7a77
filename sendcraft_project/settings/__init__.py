"""Settings, one module per runtime; they alone read the environment."""
