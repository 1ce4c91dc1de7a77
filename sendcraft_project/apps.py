from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "sendcraft_project"

    def ready(self) -> None:
        from sendcraft_project import audit, theme_lists

        import_module("sendcraft_project.connections")
        audit.watch()
        theme_lists.draw_once()
