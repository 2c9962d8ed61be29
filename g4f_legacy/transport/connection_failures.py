"""Turn what requests and urllib3 raise for a request without a response into errors."""

import ssl
import traceback
from http import HTTPStatus
from http.client import BadStatusLine

import requests

from ..errors import Hint, RequestFailedError, describe_cause, root_cause
from .failures import RETRIED_STATUSES
from .proxy_failures import Proxy, describe_proxy_failure, get_tunnel_status

_PERMANENT = (Hint.CHECK_PROXY_TLS, Hint.GIVE_PROXY_CREDENTIALS)

_TLS_ALERTS = ("\x15\x03\x01", "\x15\x03\x03")
"""How a TLS record with an alert begins: https://www.rfc-editor.org/rfc/rfc8446#section-5.1"""


def error_from_exception(
    error: Exception, *, connect_timeout: float, read_timeout: float, waited: float, proxy: Proxy | None = None
) -> RequestFailedError:
    """Return the error for a request without a response.

    Args:
        error: what requests or urllib3 raised.
        connect_timeout, read_timeout: in seconds.
        waited: how long the request took to fail, in seconds.
        proxy: what the request was sent through.
    """
    proxy_failure = describe_proxy_failure(error, proxy, connect_timeout) if proxy else None
    if proxy_failure:
        message, hint = proxy_failure
    else:
        via = f" through the proxy {proxy.address}" if proxy else ""
        message = _describe_failure(error, connect_timeout, read_timeout, waited, via)
        hint = _get_tls_hint(error) or (Hint.CHECK_PROXY_OR_SERVER if proxy else Hint.CHECK_SERVER)
    failure = RequestFailedError(message, hint=hint, request=getattr(error, "request", None))
    if proxy:
        failure.proxy, failure.proxy_source = proxy.address, proxy.source
    failure.__cause__ = error  # before it is raised, so that `redact_error` finds it
    return failure


def _describe_failure(error: Exception, connect_timeout: float, read_timeout: float, waited: float, via: str) -> str:
    if not isinstance(error, requests.Timeout):
        return f"no response{via}: {describe_cause(error)}"
    if _is_from_handshake(error):
        return f"no TLS connection{via} within {connect_timeout:g} seconds"
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection{via} within {connect_timeout:g} seconds"
    # requests raises ReadTimeout also when the connect timeout expires at a proxy.
    is_connect_timeout = abs(connect_timeout - waited) < abs(read_timeout - waited)
    return f"no response{via} within {connect_timeout if is_connect_timeout else read_timeout:g} seconds"


def _get_tls_hint(error: Exception) -> Hint | None:
    """Return the hint for an error that shows a wrong scheme or a wrong certificate."""
    cause = root_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Hint.CHECK_CERTIFICATE
    if _is_from_handshake(error):
        return Hint.USE_HTTP
    if isinstance(cause, BadStatusLine) and str(cause).startswith(_TLS_ALERTS):
        return Hint.USE_HTTPS
    return None


def _is_from_handshake(error: Exception) -> bool:
    """Return whether the cause of an error was raised in a TLS handshake.

    Its traceback shows that, and nothing else does: for urllib3, a server that does not answer a handshake is a read
    timeout, and one that closes the connection instead is a lost connection.
    """
    frames = traceback.walk_tb(root_cause(error).__traceback__)
    return any(frame.f_code is ssl.SSLSocket.do_handshake.__code__ for frame, _ in frames)


def is_transient(error: RequestFailedError, *, generates: bool = False) -> bool:
    """Return whether the same request may succeed a moment later.

    Args:
        generates: whether the request lets a model generate. A gateway that gives up waiting does not stop the server
            behind it, which would generate twice.
    """
    cause = error.__cause__
    if error.hint in _PERMANENT:
        return False
    if generates and error.status == HTTPStatus.GATEWAY_TIMEOUT:
        return False
    if cause is None:
        return error.status in RETRIED_STATUSES
    if isinstance(cause, (requests.Timeout, requests.exceptions.SSLError)):
        return False
    if isinstance(root_cause(cause), TimeoutError):  # of the connection to a proxy
        return False
    tunnel_status = get_tunnel_status(cause)
    if tunnel_status is not None:
        return tunnel_status in RETRIED_STATUSES
    return isinstance(cause, requests.ConnectionError) or error.status in RETRIED_STATUSES
