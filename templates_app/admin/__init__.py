"""The admin of templates, a module for each of its parts."""

from templates_app.admin import studio, templates, versions

__all__ = ["studio", "templates", "versions"]
