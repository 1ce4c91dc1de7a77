from django.db import migrations

from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT


def add(apps, editor):
    """A tenant from before has the prompt that a new one starts with."""
    prompts = apps.get_model("ai_triage", "Prompt")
    for tenant in apps.get_model("tenants", "Tenant").objects.filter(active_prompt=None):
        prompt, is_new = prompts.objects.get_or_create(tenant=tenant, name="default")
        if is_new:
            apps.get_model("ai_triage", "PromptVersion").objects.create(
                prompt=prompt,
                number=1,
                system_prompt=DEFAULT_PROMPT,
                respond_to=list(DEFAULT_CRITERIA.respond_to),
                ignore=list(DEFAULT_CRITERIA.ignore),
            )
        prompts.objects.filter(pk=prompt.pk).update(active_for=tenant)


class Migration(migrations.Migration):
    dependencies = [("ai_triage", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
