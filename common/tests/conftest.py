"""What the suite's database leaves to be tested here."""

from __future__ import annotations

from django.db import connection

# The backend for MySQL and MariaDB has nothing to show on SQLite; CI runs the suite on both.
collect_ignore = [] if connection.vendor == "mysql" else ["test_mysql.py"]
