from django.db import migrations

COLUMN = "ALTER TABLE delivery_suppression MODIFY address varchar(320)"


def compare_exactly(apps, editor):
    """MySQL and MariaDB would else take ``josé@…`` and ``jose@…`` for one address."""
    if editor.connection.vendor == "mysql":
        editor.execute(f"{COLUMN} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL")


def compare_as_the_table_does(apps, editor):
    if editor.connection.vendor == "mysql":
        editor.execute(f"{COLUMN} NOT NULL")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("delivery", "0005_sending_queue")]
    operations = [
        migrations.RunPython(compare_exactly, compare_as_the_table_does, elidable=False)
    ]
