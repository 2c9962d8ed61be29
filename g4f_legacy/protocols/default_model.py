"""The model for an empty name, on servers that people run themselves: the first that the server lists."""

import logging
import os
from collections import defaultdict
from collections.abc import Callable
from threading import Lock

from ..errors import ProviderError, RequestFailedError, ResponseFormatError
from ..transport.client import ServerClient

log = logging.getLogger(__name__)

_default_models: dict[str, str] = {}  # by base URL
_locks: defaultdict[str, Lock] = defaultdict(Lock)  # by base URL; held while the server is asked
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_locks.clear)  # a thread of the parent may hold one


def get_default_model(
    server: ServerClient,
    list_models: Callable[[ServerClient], list[str]],
    has_no_list: Callable[[ProviderError], bool] = lambda error: error.status == 404,
) -> str:
    """Return the first model that a server lists, or the provider's own first where the server has no list.

    What a server listed is kept for the life of the process, by base URL. Threads that ask for the same server at the
    same time wait for one request.

    Args:
        list_models: asks the server for its model ids.
        has_no_list: returns whether an error of `list_models` means that the server has no list.

    Raises:
        RequestFailedError: the server does not answer.
        GenerationError, RateLimitError: the server reports an error instead of a list.
        ResponseFormatError: the list is empty, or is not a list.
    """
    base_url = server.base_url
    with _locks[base_url]:
        if base_url in _default_models:
            return _default_models[base_url]
        try:
            listed = list_models(server)
        except (RequestFailedError, ResponseFormatError) as error:
            if not has_no_list(error):
                raise
            return server.model_id("")
        if not listed:
            raise ResponseFormatError("the server lists no models: name the model to ask for")
        log.info("%s: no model is named; asking for the first of %s", server.name, server.redact(listed))
        _default_models[base_url] = listed[0]
        return listed[0]
