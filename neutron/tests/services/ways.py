"""io: how tests see that the controller has what Neutron has."""

from typing import Any

from daybreak_lab import wait_for

from ..cloud import DEADLINE, Controller


def object_of(controller: Controller, collection: str, id: str) -> dict[str, Any] | None:
    """An object of the controller's; None: it has no such."""
    status, found = controller.request("GET", f"/v1/{collection}/{id}")
    return found if status == 200 else None


def arrives(controller: Controller, collection: str, id: str, **fields: Any) -> dict[str, Any]:
    """Wait until the controller has an object with these values; a field that is None must not be there."""

    def there() -> dict[str, Any] | None:
        nonlocal last
        last = object_of(controller, collection, id)
        return last if last is not None and all(last.get(name) == value for name, value in fields.items()) else None

    last: dict[str, Any] | None = None
    try:
        return wait_for(f"{collection}/{id} with {fields}", there, DEADLINE)
    except Exception as error:
        raise AssertionError(f"{error}; it is {last}") from None


def vanishes(controller: Controller, collection: str, id: str) -> None:
    wait_for(f"no {collection}/{id}", lambda: object_of(controller, collection, id) is None, DEADLINE)
