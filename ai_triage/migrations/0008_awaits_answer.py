from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ai_triage", "0007_tryouts")]
    operations = [
        migrations.AddField(
            model_name="triageresult",
            name="awaits_answer",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AddIndex(
            model_name="triageresult",
            index=models.Index(
                fields=["tenant", "awaits_answer", "responded_at"], name="triage_by_awaited"
            ),
        ),
    ]
