"""Domains and what the DNS says about them as JSON."""

from __future__ import annotations

from typing import Any, cast

from django.utils import translation
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.fields import Flag, Text
from common.api.serializers import StrictModelSerializer
from domains.dns_checks import DomainReport, Verdict, described
from domains.dns_checks.report import DescribedReport
from domains.models import Domain
from domains.services import DESCRIPTION_LENGTH, main_key

NAME_LENGTH = 253


class RecordCheckSerializer(serializers.Serializer[Any]):
    """One record: publish ``wanted`` at ``name``."""

    type = serializers.CharField(help_text="TXT or MX.")
    name = serializers.CharField()
    wanted = serializers.CharField(help_text="The value to publish; an MX has one a line.")
    found = serializers.ListField(child=serializers.CharField())
    verdict = serializers.ChoiceField(
        [verdict.value for verdict in Verdict],
        help_text="`unknown`: the DNS did not answer, so nothing is known.",
    )
    advice = serializers.CharField(help_text="What to do, in English; empty where all is well.")
    codes = serializers.ListField(
        child=serializers.CharField(), help_text="The advice for programs."
    )
    selector = serializers.CharField(required=False, help_text="Of a DKIM record.")


class DkimCheckSerializer(RecordCheckSerializer):
    """The record of the RSA key, and those of all keys."""

    keys = RecordCheckSerializer(many=True)


class DNSCheckSerializer(serializers.Serializer[Any]):
    checked_at = serializers.DateTimeField()
    spf = RecordCheckSerializer()
    dkim = DkimCheckSerializer()
    dmarc = RecordCheckSerializer()
    mx = RecordCheckSerializer()


class DomainSerializer(StrictModelSerializer):
    """Shows a domain and checks the types of what is given; the services do the rest."""

    name = Text(
        max_length=NAME_LENGTH, help_text="International letters are stored as A-labels (xn--…)."
    )
    description = Text(required=False, allow_blank=True, max_length=DESCRIPTION_LENGTH)
    is_active = Flag(required=False, help_text="Nothing is sent from an inactive domain.")
    tracking_host = Text(
        required=False,
        allow_blank=True,
        max_length=NAME_LENGTH,
        help_text="Links in mail lead to this host; empty: the installation's.",
    )
    dns = serializers.SerializerMethodField(help_text="The last check; null before the first.")
    dkim_selector = serializers.SerializerMethodField(
        help_text="Publish `dkim_record` as TXT at `{dkim_selector}._domainkey.{name}`."
    )
    dkim_record = serializers.SerializerMethodField()

    class Meta:
        model = Domain
        fields = [
            "id",
            "name",
            "description",
            "is_active",
            "tracking_host",
            "dns",
            "dkim_selector",
            "dkim_record",
            "created_at",
            "updated_at",
        ]

    @extend_schema_field(DNSCheckSerializer(allow_null=True))
    def get_dns(self, domain: Domain) -> DescribedReport | None:
        if not domain.dns:
            return None
        with translation.override("en"):
            return described(cast("DomainReport", domain.dns))

    def get_dkim_selector(self, domain: Domain) -> str | None:
        key = main_key(domain)
        return key.selector if key else None

    def get_dkim_record(self, domain: Domain) -> str | None:
        key = main_key(domain)
        return key.public_record if key else None
