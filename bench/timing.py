"""A middleware that says what a page took; the measure of the console runs with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse


class Timing:
    """Answers with ``Server-Timing``: milliseconds in all, of CPU and of the database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = Asked()
        began, used = time.perf_counter(), time.thread_time()
        with connection.execute_wrapper(asked):
            response = self.get_response(request)
        figures = {
            "total": (time.perf_counter() - began) * 1000,
            "cpu": (time.thread_time() - used) * 1000,
            "db": asked.seconds * 1000,
            "queries": asked.number,
        }
        told = [f"{name};dur={value:.2f}" for name, value in figures.items()]
        response["Server-Timing"] = ", ".join(told)
        return response


class Asked:
    """A wrapper for ``connection.execute_wrapper`` that counts statements and their time."""

    def __init__(self) -> None:
        self.number = 0
        self.seconds = 0.0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        self.number += 1
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds += time.perf_counter() - began
