"""`fetch` from a server in this process: what arrives is checked, and no server can hold the caller."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlp.data import DownloadError
from mlp.data.named import download
from mlp.data.named.download import RemoteFile, fetch

CONTENT = bytes(range(256)) * 1000
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Gives `CONTENT`, or whatever `answer` writes. `release` ends answers that wait."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()
        self.answer: Answer = whole

    def start(self) -> ThreadingHTTPServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                try:
                    outer.answer(self)
                except OSError:
                    self.close_connection = True  # the client has gone

            def log_message(self, format: str, *args: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return http


def head(handler: BaseHTTPRequestHandler, length: int = len(CONTENT)) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def whole(handler: BaseHTTPRequestHandler) -> None:
    head(handler)
    handler.wfile.write(CONTENT)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def remote(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteFile]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    http = server.start()
    checksum = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    yield RemoteFile(f"http://127.0.0.1:{http.server_address[1]}/digits.bin", checksum)
    server.release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("fetch "):
            thread.join(10)
    http.shutdown()
    http.server_close()


def test_file_is_fetched_once_and_quietly(
    server: Server, remote: RemoteFile, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "cache"
    assert not remote.is_in(folder)
    for _ in range(2):
        assert fetch(remote, folder).read_bytes() == CONTENT
    assert remote.is_in(folder)
    assert server.asked == ["/digits.bin"]
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in folder.iterdir()] == ["digits.bin"]


def test_damaged_copy_is_replaced(remote: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "digits.bin").write_bytes(CONTENT[:-1])
    assert not remote.is_in(tmp_path)
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def wrong(handler: BaseHTTPRequestHandler) -> None:
    head(handler)
    handler.wfile.write(CONTENT[::-1])


def short(handler: BaseHTTPRequestHandler) -> None:
    head(handler)
    handler.wfile.write(CONTENT[:100])


def absent(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/other.bin")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize("answer", [wrong, short, absent, elsewhere])
def test_other_answers_are_errors_and_leave_nothing(
    server: Server, remote: RemoteFile, tmp_path: Path, answer: Answer
) -> None:
    server.answer = answer
    with pytest.raises(DownloadError) as caught:
        fetch(remote, tmp_path)
    assert str(caught.value).isprintable()
    assert caught.value.url == remote.url
    assert caught.value.reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert server.asked == ["/digits.bin"]  # no redirect was followed


def test_failed_download_leaves_no_damaged_copy_trusted(server: Server, remote: RemoteFile, tmp_path: Path) -> None:
    server.answer = wrong
    (tmp_path / "digits.bin").write_bytes(b"old")
    with pytest.raises(DownloadError):
        fetch(remote, tmp_path)
    assert not remote.is_in(tmp_path)


def test_silent_server_is_left_after_the_time_for_an_answer(
    server: Server, remote: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
    server.answer = lambda handler: (server.release.wait(20), None)[1]
    start = time.perf_counter()
    with pytest.raises(DownloadError, match=r"no answer in 0\.2 s|timed out"):
        fetch(remote, tmp_path)
    assert time.perf_counter() - start < 5


def test_slow_server_is_left_after_the_time_for_a_download(
    server: Server, remote: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        head(handler)
        for start in range(0, len(CONTENT), 2**14):
            handler.wfile.write(CONTENT[start : start + 2**14])
            handler.wfile.flush()
            server.release.wait(0.1)

    monkeypatch.setattr(download, "DOWNLOAD_SECONDS", 0.3)
    server.answer = drip
    with pytest.raises(DownloadError, match=r"not done in 0\.3 s"):
        fetch(remote, tmp_path)
    server.release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("fetch "):
            thread.join(10)
    assert list(tmp_path.iterdir()) == []  # what arrived after that was thrown away


def test_endless_answer_is_cut_off(
    server: Server, remote: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.release.is_set():
            handler.wfile.write(CONTENT)

    monkeypatch.setattr(download, "MAX_DOWNLOAD_BYTES", 2**20)
    server.answer = endless
    with pytest.raises(DownloadError, match="more than 1048576 bytes arrived"):
        fetch(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_refused_connection_is_an_error_with_its_innermost_reason(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(RemoteFile("http://127.0.0.1:9/digits.bin", "sha256:00"), tmp_path)
    assert "Max retries exceeded" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_named_pipe_in_the_cache_is_refused_without_waiting(remote: RemoteFile, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "digits.bin")
    with pytest.raises(DownloadError, match="is in the way and not a file"):
        fetch(remote, tmp_path)
