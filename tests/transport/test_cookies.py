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
def test_secure_is_taken_off_only_for_the_host_over_plain_http(
    base_url: str, domain: str, secure: bool, sent_as_secure: bool
) -> None:
    session = RequestsCookieJar()
    session.set("a", "b", domain=domain, secure=secure)
    [sent], [kept] = Cookies(base_url, session, {}).outgoing(), session
    assert (sent.secure, kept.secure) == (sent_as_secure, secure)
