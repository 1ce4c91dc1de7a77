from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ai_triage", "0003_triagefix_trials_go_with_tenant")]
    operations = [
        migrations.AddIndex(
            model_name="triageresult",
            index=models.Index(fields=["tenant", "needs_review"], name="triage_by_need"),
        )
    ]
