"""A floor: Python's smtplib in a loop, two processes, over messages built beforehand."""

from __future__ import annotations

import json
import smtplib
import sys
from dataclasses import asdict

from bench.measure import in_processes
from bench.order import recipient, rendered

SENDER = "shop@bench.test"


def main(port: int, count: int, processes: int) -> None:
    mails = [(recipient(number), rendered(number)) for number in range(count)]

    def send(share: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for to, data in mails[share::processes]:
                client.sendmail(SENDER, [to], data)

    print(json.dumps(asdict(in_processes(send, count=processes))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
