"""The filesystem broker with several processes at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Exchange, Queue

from sendcraft_project.broker import Transport

PROCESSES = 3
MESSAGES = 200
QUEUE = Queue("mail", Exchange("mail", type="direct"), routing_key="mail")
LONG = "x" * 100_000  # takes several writes, so that half of it can be seen


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


def connection(folder: Path) -> Connection:
    options = {
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
    }
    return Connection(transport=Transport, transport_options=options)


def put(folder: Path, first: int) -> None:
    with connection(folder) as broker:
        producer = broker.Producer()
        for number in range(first, first + MESSAGES):
            producer.publish(
                {"number": number, "text": LONG},
                exchange=QUEUE.exchange,
                routing_key="mail",
                declare=[QUEUE],
            )


def test_a_message_is_never_read_half_written_and_comes_once(folder):
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=put, args=(folder, n * MESSAGES)) for n in range(PROCESSES)]
    for writer in writers:
        writer.start()
    received: list[int] = []
    with connection(folder) as broker, broker.channel() as channel:
        while True:
            is_over = not any(writer.is_alive() for writer in writers)
            try:
                body = channel._get("mail")["body"]
            except Empty:
                if is_over:
                    break
                continue
            assert body
            received.append(len(body))
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    assert len(received) == PROCESSES * MESSAGES
    assert not list((folder / "queue").iterdir())


def test_a_message_goes_to_every_queue_bound_to_its_exchange(folder):
    other = Queue("copy", QUEUE.exchange, routing_key="mail")
    with connection(folder) as broker, broker.channel() as channel:
        broker.Producer().publish(
            {"number": 1}, exchange=QUEUE.exchange, routing_key="mail", declare=[QUEUE, other]
        )

        assert channel._get("mail")["body"] == channel._get("copy")["body"]
        with pytest.raises(Empty):
            channel._get("mail")
