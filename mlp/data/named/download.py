"""Downloads one file from one URL, checks its checksum, and keeps to a time limit. Knows nothing of MNIST.

pooch does the work: it downloads beside the target, compares the checksum and only then puts the file in place. What
it leaves open is how long that may take and how much may arrive. Its timeouts count from one packet to the next and
don't cover the look-up of a name, so on a network that swallows packets a single address can hold a program for a
minute. Hence the thread: after `ANSWER_SECONDS` without a first byte, or `DOWNLOAD_SECONDS` in all, the caller goes
on, and what the thread may still receive is thrown away.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch

from mlp.data.errors import DownloadError
from mlp.errors import one_line

ANSWER_SECONDS = 4.0
DOWNLOAD_SECONDS = 120.0
MAX_DOWNLOAD_BYTES = 2**26  # the largest file wanted is 11 MB


@dataclass(frozen=True)
class RemoteFile:
    """A file on the network. `checksum`: as pooch takes it, "sha256:..." or "md5:..."."""

    url: str
    checksum: str

    @property
    def file_name(self) -> str:
        """Its name in the cache folder."""
        return self.url.rpartition("/")[2]

    def is_in(self, folder: Path) -> bool:
        """Whether `folder` holds it with the right checksum."""
        path = folder / self.file_name
        algorithm, _, wanted = self.checksum.partition(":")
        try:
            return path.is_file() and str(pooch.file_hash(str(path), alg=algorithm)) == wanted
        except OSError:
            return False


def fetch(file: RemoteFile, folder: Path) -> Path:
    """The file's path in `folder`, downloaded unless it is there already. Raises DownloadError."""
    path = folder / file.file_name
    if file.is_in(folder):
        return path
    transfer = _Transfer()
    outcome: Future[str] = Future()

    def work() -> None:
        try:
            if path.exists() and not path.is_file():  # pooch would read a pipe for ever
                raise FileExistsError(f"{str(path)!r} is in the way and not a file")
            outcome.set_result(
                pooch.retrieve(file.url, file.checksum, fname=file.file_name, path=folder, downloader=transfer)
            )
        except Exception as error:  # any error of the network stack means that the download failed
            outcome.set_exception(error)
        finally:
            transfer.answered.set()

    with _quiet_pooch():
        threading.Thread(target=work, name=f"fetch {file.file_name}", daemon=True).start()
        try:
            if not transfer.answered.wait(ANSWER_SECONDS):
                raise _failed(file, f"no answer in {ANSWER_SECONDS:g} s")
            error = outcome.exception(timeout=DOWNLOAD_SECONDS)
        except TimeoutError as late:
            raise _failed(file, f"not done in {DOWNLOAD_SECONDS:g} s") from late
        finally:
            transfer.over.set()
    if error is not None:
        raise _failed(file, _innermost(error)) from error
    return Path(outcome.result())


def _failed(file: RemoteFile, reason: str) -> DownloadError:
    return DownloadError(f"{file.url}: not downloaded: {reason}", url=file.url, reason=reason)


def _innermost(error: BaseException) -> str:
    """The first error of a chain: network stacks wrap "Name or service not known" about four times."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return one_line(str(error) or type(error).__name__, limit=120)


class _Transfer:
    """A pooch downloader that signals the first byte, and that can be stopped.

    pooch's own has neither, takes as much as is sent, and leaves the connection open where something goes wrong.
    """

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.over = threading.Event()

    def __call__(self, url: str, output_file: str, pooch_object: object) -> None:
        """Called by pooch: download `url` to `output_file`, or raise an OSError.

        Redirects are not followed: the servers used here answer directly, and a redirect could leave HTTPS.
        """
        import requests  # takes a tenth of a second, and most runs download nothing

        left_bytes = MAX_DOWNLOAD_BYTES
        with (
            requests.get(url, stream=True, timeout=ANSWER_SECONDS, allow_redirects=False) as response,
            Path(output_file).open("wb") as target,
        ):
            if response.status_code != requests.codes.ok:
                raise OSError(f"the answer was {response.status_code} {response.reason}")
            for piece in response.iter_content(chunk_size=2**14):
                self.answered.set()
                left_bytes -= len(piece)
                if self.over.is_set():
                    raise OSError("nobody waits for this download any more")
                if left_bytes < 0:
                    raise OSError(f"more than {MAX_DOWNLOAD_BYTES} bytes arrived")
                target.write(piece)


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Silence pooch's log, which reports downloads on stderr; the commands report them themselves."""
    logger: logging.Logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
