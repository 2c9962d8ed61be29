"""Retry below ``/v1`` where the base URL of an OpenAI-compatible server was given without it, as people do."""

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..errors import ProviderError, RequestFailedError
from ..transport.client import ServerClient

T = TypeVar("T")

log = logging.getLogger(__name__)


def try_also_below_v1(server: ServerClient, request: Callable[[], Generator[T, None, Any]]) -> Generator[T, None, Any]:
    """Yield what a request yields, and return what it returns. If the server has nothing at its path, retry below /v1.

    Args:
        request: sends the request and yields from its response, as tokens or otherwise. It is called again to retry.

    Raises:
        ProviderError: the request failed at both paths, or for another reason than its path.
    """
    with closing(request()) as tokens:
        try:
            first = next(tokens)
        except StopIteration as end:
            return end.value
        except ProviderError as error:
            if not _is_wrong_path(error) or "/v1" in urlsplit(server.base_url).path:
                raise
            first_failure, first_message = (error.status, error.detail), server.redact(error.args[0])
        else:
            yield first
            return (yield from tokens)
    with server.try_base_path("/v1"):
        log.info("%s: the server has no API at its base URL; trying %s", server.name, server.base_url)
        try:
            return (yield from request())
        except RequestFailedError as error:
            if error.status == 404 and (error.status, error.detail) != first_failure:
                error.add_context(f"without /v1: {first_message}")  # either address may have been the right one
            raise


def _is_wrong_path(error: ProviderError) -> bool:
    # LM Studio answers an unknown path with 200 and these words.
    return error.status in (404, 405) or "Unexpected endpoint" in error.detail + error.body
