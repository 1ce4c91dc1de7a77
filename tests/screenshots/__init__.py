"""``make screenshots``: a shop at work to look at, and pictures of its pages."""
