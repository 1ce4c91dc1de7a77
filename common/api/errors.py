"""How the product's errors become HTTP answers; nothing else knows status codes."""

from __future__ import annotations

from dataclasses import replace

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from drf_standardized_errors.formatter import ExceptionFormatter as BaseFormatter
from drf_standardized_errors.handler import ExceptionHandler as BaseHandler
from drf_standardized_errors.types import Error
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings

from common import errors


class Unprocessable(exceptions.ValidationError):
    """A body that was understood but is refused."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class BadQuery(exceptions.ValidationError):
    """A query parameter or cursor that can't be used."""

    status_code = status.HTTP_400_BAD_REQUEST


class RefusedFields(Unprocessable):
    """Refusals that already know their dotted ``attr``."""

    def __init__(self, refusals: list[errors.Refused]) -> None:
        super().__init__(str(refusals[0]) if refusals else "")
        self.refusals = refusals


class GoneAnswer(exceptions.APIException):
    status_code = status.HTTP_410_GONE


class ConflictAnswer(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request is larger than 40 MB."
    default_code = "too_large"


class Unavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database does not answer; nothing was stored. Try again."
    default_code = "unavailable"


class ProviderFailed(exceptions.APIException):
    """Somebody else's server answered nonsense; told and logged where it was asked."""

    status_code: int = status.HTTP_502_BAD_GATEWAY


class ProviderAway(ProviderFailed):
    """Somebody else's server did not answer; ``wait`` becomes ``Retry-After``."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE

    def __init__(self, error: errors.ProviderError) -> None:
        super().__init__(error.detail, code=error.code)
        self.wait = getattr(error, "retry_after", None)


class ExceptionHandler(BaseHandler):
    """Validation is 422, filters and cursors stay 400, our own errors find their code."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        exc = super().convert_known_exceptions(exc)
        if isinstance(exc, errors.SendCraftError):
            return answer_to(exc)
        if isinstance(exc, RequestDataTooBig):
            return TooLarge()
        if isinstance(exc, DatabaseError):
            return database_answer(exc)
        if type(exc) is exceptions.ValidationError:
            return Unprocessable(exc.detail)
        return exc

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        if not isinstance(exc, ProviderFailed):  # no bug of ours
            super().report_exception(exc, response)


def answer_to(error: errors.SendCraftError) -> exceptions.APIException:
    """Return the HTTP answer to one of our errors; an unexpected kind is a server error."""
    if isinstance(error, errors.Gone):
        return GoneAnswer(error.detail, code=error.code)
    if isinstance(error, errors.RefusedTogether):
        return RefusedFields(error.refusals)
    if isinstance(error, errors.Refused):
        return RefusedFields([error])
    if isinstance(error, errors.Conflict):
        return ConflictAnswer(error.detail, code=error.code)
    if isinstance(error, errors.QuotaExceeded):
        return exceptions.Throttled(wait=error.retry_after)
    if isinstance(error, errors.TransientError | errors.PermanentError):
        return ProviderAway(error)
    if isinstance(error, errors.ProviderError):
        return ProviderFailed(error.detail, code=error.code)
    return exceptions.APIException(code="server_error")


def database_answer(error: DatabaseError) -> Exception:
    """A database that is away or full is 503; anything else is a bug."""
    from django.db import InterfaceError, OperationalError

    return Unavailable() if isinstance(error, OperationalError | InterfaceError) else error


class ExceptionFormatter(BaseFormatter):
    """Lists refusals with their own code and dotted attribute."""

    def get_errors(self) -> list[Error]:
        if isinstance(self.exc, RefusedFields):
            return [
                Error(code=refusal.code, detail=refusal.detail, attr=refusal.attr)
                for refusal in self.exc.refusals
            ]
        found: list[Error] = super().get_errors()
        return [
            replace(error, code=error.code or "invalid", attr=_named(error.attr)) for error in found
        ]


def _named(attr: str | None) -> str | None:
    """What is wrong with a nested object as a whole has the object's own name."""
    return attr.removesuffix(f".{api_settings.NON_FIELD_ERRORS_KEY}") if attr else attr
