import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ai_triage", "0002_prompts_default")]
    operations = [
        migrations.AlterField(
            model_name="experiment",
            name=name,
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="ai_triage.promptversion",
                verbose_name=f"version {name.upper()}",
            ),
        )
        for name in ("a", "b")
    ]
