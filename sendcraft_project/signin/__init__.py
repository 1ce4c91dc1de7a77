"""How staff sign in: throttled, with a second factor where they set one up (django-allauth)."""
