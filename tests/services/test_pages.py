"""Pages go through a list once, under whatever names a service gives their members."""

import pytest

from wildsage.core.errors import ServiceError, ValidationError
from wildsage.services.pages import Pages

PAGES = Pages("Marker", "MaxItems", 2, 3, truncated="IsTruncated")
ITEMS = [[3, "c"], [1, "a"], [2, "b"], [2, "a"]]


def page(items=ITEMS, pages=PAGES, **request):
    return pages.answer(request, "Items", items, position=lambda item: item, show=lambda item: item[1])


def test_pages_go_through_a_list_in_its_order():
    first = page(Of="x")
    assert (first["Items"], first["IsTruncated"]) == (["a", "a"], True)
    assert page(Of="x", Marker=first["Marker"], MaxItems=9) == {"Items": ["b", "c"], "IsTruncated": False}


def test_what_comes_and_goes_meanwhile_shifts_nothing():
    first = page()
    rest = page([[0, "new"], [2, "b"], [3, "c"]], Marker=first["Marker"])
    assert rest["Items"] == ["b", "c"]


def test_a_page_is_as_large_as_asked_up_to_the_largest():
    assert len(page()["Items"]) == 2
    assert len(page(MaxItems=1)["Items"]) == 1
    assert len(page(MaxItems=100)["Items"]) == 3
    with pytest.raises(ValidationError, match="MaxItems 0 is too small"):
        page(MaxItems=0)


def test_a_token_of_another_request_is_refused_with_the_error_of_the_service():
    pages = Pages("nextToken", "limit", 1, error=lambda text: ServiceError(text, code="BadToken", status=400))
    token = page(pages=pages, of="x")["nextToken"]
    for given in ({"of": "y", "nextToken": token}, {"nextToken": "x"}):
        with pytest.raises(ServiceError, match="The specified nextToken is invalid") as caught:
            page(pages=pages, **given)
        assert caught.value.code == "BadToken"


def test_an_empty_token_is_the_first_page():
    assert page(Marker="")["Items"] == ["a", "a"]
