"""A version of a prompt as one text."""

from ai_triage.admin.prompts import as_text
from ai_triage.models import PromptVersion


def test_criteria_are_compared_a_line_each():
    version = PromptVersion(system_prompt="Text", respond_to=["questions"], ignore=["spam"])

    assert as_text(version) == "Text\n\n+ questions\n- spam\n"
