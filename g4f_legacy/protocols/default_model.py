"""Which model an empty name means where people run their own hosts: the first that the host lists."""

from collections import defaultdict
import os
from threading import Lock
from typing import Callable, DefaultDict, Dict, List

from ..errors import RequestFailedError, ResponseFormatError
from ..transport.client import ServerClient, log

_first: Dict[str, str] = {}  # by the host's address
_asking: DefaultDict[str, Lock] = defaultdict(Lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_asking.clear)  # the threads that hold them are the parent's


def get_default_model(host: ServerClient, ask: Callable[[], List[str]]) -> str:
    """The first model that a host lists; the provider's own first where the host has no list at all (404).

    Args:
        ask: for the list; it is called once a process and host.

    Raises:
        RequestFailedError: the host does not answer.
        ResponseFormatError: the list is empty, or none.
    """
    address = host.base_url
    with _asking[address]:
        if address in _first:
            return _first[address]
        try:
            listed = ask()
        except RequestFailedError as error:
            if error.status != 404:
                raise
            return host.model_id("")
        if not listed:
            raise ResponseFormatError("the host lists no models: say which one to ask for")
        log.info("%s: no model is named; asking for the first of %s", host.name, host.said(listed))
        _first[address] = listed[0]
        return listed[0]
