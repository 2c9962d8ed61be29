"""Base URLs of OpenAI-compatible servers that lack the ``/v1`` at their end, which people leave out."""

import logging
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from ..errors import ProviderError, RequestFailedError
from ..tokens import Tokens
from ..transport.client import ServerClient

log = logging.getLogger(__name__)


def try_also_below_v1(server: ServerClient, request: Callable[[], Tokens]) -> Tokens:
    """Yield from a request, and return what it returns. If nothing is at its path, try once more below /v1.

    Args:
        request: sends the request, and yields from its response.

    Raises:
        ProviderError: the request failed at both paths, or for another reason than its path.
    """
    with closing(request()) as tokens:
        try:
            first = next(tokens)
        except StopIteration as end:
            return end.value
        except ProviderError as error:
            is_lm_studio = "Unexpected endpoint" in error.detail + error.body  # its answer to an unknown path, with 200
            is_wrong_path = error.status in (404, 405) or is_lm_studio
            if not is_wrong_path or "/v1" in urlsplit(server.base_url).path:
                raise
            first_failure, first_message = (error.status, error.detail), server.redact(error.args[0])
        else:
            yield first
            return (yield from tokens)
    with server.try_base_path("/v1"):
        log.info("%s: nothing is there; trying %s", server.name, server.base_url)
        try:
            return (yield from request())
        except RequestFailedError as error:
            if error.status == 404 and (error.status, error.detail) != first_failure:
                error.add_context(f"without /v1: {first_message}")  # either address may have been the right one
            raise
