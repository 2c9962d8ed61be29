import pytest
from requests.cookies import RequestsCookieJar

from g4f_legacy.transport.cookies import Cookies


@pytest.mark.parametrize(
    "base_url, domain, secure, sent_as_secure",
    [
        ("http://a.host", "a.host", True, False),
        ("http://a.host", "b.host", True, True),
        ("http://a.host", ".a.host", True, True),
        ("http://www.a.host", ".a.host", False, False),
        ("https://a.host", "a.host", True, True),
        ("https://a.host", "a.host", False, False),
    ],
)
def test_secure_cookies_are_sent_over_plain_http_to_their_own_server_only(
    base_url: str, domain: str, secure: bool, sent_as_secure: bool
) -> None:
    session = RequestsCookieJar()
    session.set("a", "b", domain=domain, secure=secure)
    [outgoing] = Cookies(base_url, session, {}).outgoing()
    [original] = session
    assert (outgoing.secure, original.secure) == (sent_as_secure, secure)
