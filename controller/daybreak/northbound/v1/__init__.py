"""io: the modern API below /v1: every write idempotent and in bulk where one wants, and nothing that must be polled.

`openapi` describes it to programs, docs/api.md to people.
"""

from daybreak.northbound.v1.api import Api

__all__ = ["Api"]
