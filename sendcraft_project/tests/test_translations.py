"""The Portuguese catalogues: whole, sound, compiled, and in step with the code."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import unfold
from django.conf import settings
from django.contrib import auth
from django.urls import reverse

from sendcraft_project.theme_texts import THEME_TEXTS
from tests.servers.databases import skip_or_fail

ROOT = settings.BASE_DIR
LANGUAGES = ["pt", "pt_BR"]
SOURCES = {".py", ".html", ".txt"}
ALL_TRANSLATED = r"\d+ translated messages\."
NOT_OURS = {".venv", "var", "tests", "staticfiles"}


def po(root: Path, language: str) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / "django.po"


def compiled(mo: Path) -> dict[object, str]:
    """Every text of a compiled catalogue with its translation, but its header."""
    with mo.open("rb") as file:
        texts = dict(gettext.GNUTranslations(file)._catalog)
    texts.pop("")
    return texts


def check(catalogue: Path, *, into: Path) -> str:
    """Compile a catalogue and return how many of its texts are translated, untranslated, fuzzy.

    The test fails where a translation has other placeholders than its text.
    """
    done = subprocess.run(
        ["msgfmt", "--check", "--statistics", "-o", str(into), str(catalogue)],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def _gettext():
    if shutil.which("msgfmt") is None or shutil.which("xgettext") is None:
        skip_or_fail("gettext is not installed")


@pytest.fixture(scope="module")
def renewed(_gettext, tmp_path_factory) -> Path:
    """A copy of the sources whose catalogues were just collected from the code."""
    copy = tmp_path_factory.mktemp("sources")
    for file in ROOT.rglob("*"):
        relative = file.relative_to(ROOT)
        if file.suffix in SOURCES | {".po"} and not NOT_OURS & set(relative.parts):
            (copy / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy / relative)
    command = [sys.executable, "manage.py", "makemessages", "--all", "--no-obsolete"]
    subprocess.run([*command, "--no-location"], cwd=copy, check=True, timeout=110)
    return copy


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.usefixtures("_gettext")
def test_every_text_is_translated_with_its_placeholders(language, tmp_path):
    result = check(po(ROOT, language), into=tmp_path / "django.mo")

    assert re.fullmatch(ALL_TRANSLATED, result)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.usefixtures("_gettext")
def test_the_compiled_catalogue_says_what_its_source_says(language, tmp_path):
    check(po(ROOT, language), into=tmp_path / "django.mo")

    assert compiled(po(ROOT, language).with_suffix(".mo")) == compiled(tmp_path / "django.mo")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_has_every_text_of_the_code_and_no_other(renewed, language, tmp_path):
    result = check(po(renewed, language), into=tmp_path / "django.mo")

    assert re.fullmatch(ALL_TRANSLATED, result), "run `make messages` and translate what is new"
    kept = compiled(po(ROOT, language).with_suffix(".mo"))
    assert kept.keys() == compiled(tmp_path / "django.mo").keys(), "run `make messages`"


def test_the_texts_kept_for_other_packages_are_still_theirs():
    folders = [Path(package.__file__).parent for package in (unfold, auth)]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in SOURCES]
    sources = "".join(file.read_text() for file in files)
    joined = re.sub(r"""["']\s*\n\s*["']""", "", sources)

    gone = [text for text in THEME_TEXTS if text not in joined]

    assert gone == []


@pytest.mark.parametrize(
    ("language", "words"),
    [("pt", ["Palavra-passe", "Bem-vindo de volta a"]), ("pt-br", ["Senha", "Boas-vindas"])],
)
@pytest.mark.django_db
def test_a_browser_that_prefers_portuguese_gets_the_admin_in_it(client, language, words):
    response = client.get(reverse("admin:login"), headers={"Accept-Language": language})

    page = response.content.decode()
    assert [word for word in words if word not in page] == []
