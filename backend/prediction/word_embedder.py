"""Embeds the words of vocabularies before they are needed, in one thread of its own.

1,203 labels take minutes on a CPU. No request waits for them beyond its deadline or holds anything
meanwhile, and the vocabularies of several projects take turns, a few texts at a time. What is
embedded stays in the encoder's cache, so that asking again goes on where it was.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from dataclasses import dataclass, field
from textwrap import shorten

from cachetools import LRUCache

from backend.errors import OutOfTime
from model import TEMPLATES, PromptConfig, TextEncoder, Vocabulary, texts_of

CHUNK_PROMPTS = 256  # texts times templates of one turn: 0.5 s on two cores with the starter
MAX_EMBEDDED = 1000  # vocabularies that are known to be embedded
PROGRESS_S = 10.0  # between two lines of the log on one vocabulary

log = logging.getLogger(__name__)


class WordsNotEmbedded(OutOfTime):
    """The words of a vocabulary take longer than the request has."""


@dataclass(eq=False)
class Embedding:
    """One vocabulary on its way."""

    labels: str  # some of them, for messages
    chunks: Iterator[tuple[str, list[str]]]  # (templates, texts)
    n_texts: int
    n_done: int = 0
    logged_s: float = field(default_factory=time.monotonic)
    future: "Future[None]" = field(default_factory=Future)

    def count(self, n_texts: int) -> None:
        """Note that so many more are embedded, and log it now and then."""
        self.n_done += n_texts
        if time.monotonic() - self.logged_s > PROGRESS_S:
            self.logged_s = time.monotonic()
            log.info("words of %s: %d of %d embedded", self.labels, self.n_done, self.n_texts)


class WordEmbedder:
    """Safe between threads."""

    def __init__(self, encode_text: TextEncoder) -> None:
        self._encode_text = encode_text
        # By their hashes, since a vocabulary may have megabytes; a false match costs only time.
        self._embedded: LRUCache[int, bool] = LRUCache(MAX_EMBEDDED)
        self._running: dict[tuple[Vocabulary, PromptConfig], Embedding] = {}
        self._turns: deque[Embedding] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="words", daemon=True)
        self._thread.start()

    def start(self, vocabulary: Vocabulary, prompts: PromptConfig) -> "Embedding | None":
        """Begin with a vocabulary in the background, once; None if it is embedded already."""
        key = (vocabulary, prompts)
        with self._changed:
            if hash(key) in self._embedded:
                return None
            if key not in self._running:
                embedding = embedding_of(vocabulary, prompts)
                embedding.future.add_done_callback(lambda future: self._finish(key, future))
                self._running[key] = embedding
                self._turns.append(embedding)
                self._changed.notify()
            return self._running[key]

    def wait(self, vocabulary: Vocabulary, prompts: PromptConfig, timeout_s: float) -> None:
        """Return when all words of a vocabulary are embedded.

        Raises WordsNotEmbedded after `timeout_s`, while it goes on in the background, and what the
        encoder raised.
        """
        embedding = self.start(vocabulary, prompts)
        if embedding is None:
            return
        try:
            embedding.future.result(timeout_s)
        except FutureTimeoutError as error:
            percent = 100 * embedding.n_done // embedding.n_texts // 5 * 5  # alike for all tasks
            raise WordsNotEmbedded(
                f"The {embedding.n_texts} words that stand for the labels are new, and {percent}% "
                "of them are embedded so far. The rest follows in the background: ask for this "
                "task again in a while."
            ) from error

    def waiting(self) -> int:
        """Number of texts that are not embedded yet."""
        with self._changed:
            return sum(one.n_texts - one.n_done for one in self._running.values())

    def stop(self, timeout_s: float) -> bool:
        """Leave what is not embedded yet; whether the turn in work ended in time."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _finish(self, key: tuple[Vocabulary, PromptConfig], future: "Future[None]") -> None:
        with self._changed:
            del self._running[key]
            if future.exception() is None:
                self._embedded[hash(key)] = True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._turns or self._is_stopping):
                    self._changed.wait()
                if self._is_stopping:
                    return
                embedding = self._turns.popleft()
            if self._embed_chunk(embedding):
                with self._changed:
                    self._turns.append(embedding)

    def _embed_chunk(self, embedding: Embedding) -> bool:
        """Embed the next texts of a vocabulary; False when it is done or has failed."""
        try:
            chunk = next(embedding.chunks, None)
            if chunk is None:
                embedding.future.set_result(None)
                return False
            templates, texts = chunk
            self._encode_text(texts, templates)
            embedding.count(len(texts))
        except Exception as error:
            embedding.future.set_exception(error)
            return False
        return True


def embedding_of(vocabulary: Vocabulary, prompts: PromptConfig) -> Embedding:
    wanted = texts_of(vocabulary, prompts)
    labels = shorten(", ".join(vocabulary.names), 80, placeholder=" …")
    return Embedding(labels, chunks_of(wanted), sum(len(texts) for _, texts in wanted))


def chunks_of(wanted: list[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, list[str]]]:
    """The texts in turns of about CHUNK_PROMPTS prompts."""
    for templates, texts in wanted:
        count = max(1, CHUNK_PROMPTS // len(TEMPLATES[templates]))
        for start in range(0, len(texts), count):
            yield templates, list(texts[start : start + count])
