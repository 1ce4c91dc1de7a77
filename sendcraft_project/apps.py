from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "sendcraft_project"
