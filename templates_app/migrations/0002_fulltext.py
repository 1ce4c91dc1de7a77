from django.db import migrations

INDEX = "templates_app_fulltext"
TABLE = "templates_app_emailtemplate"


def add(apps, editor):
    """MySQL and MariaDB search by FULLTEXT; SQLite looks into the columns."""
    if editor.connection.vendor == "mysql":
        editor.execute(f"CREATE FULLTEXT INDEX {INDEX} ON {TABLE} (name, subject, html_content)")


def remove(apps, editor):
    if editor.connection.vendor == "mysql":
        editor.execute(f"DROP INDEX {INDEX} ON {TABLE}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("templates_app", "0001_initial")]
    operations = [migrations.RunPython(add, remove, elidable=False)]
