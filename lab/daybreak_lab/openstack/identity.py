"""rules: who asks Neutron. Identities are told in plain words where Keystone would be asked.

A request says who it is from as `keystonemiddleware` tells it to Neutron, in the headers X-User-Id, X-Project-Id and
X-Roles, or by a token that says the same, `user:project:role,role`, for programs that can send nothing else. Policies,
quotas and projects are then those of a real cloud; only nobody checks a password. So: for a lab.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class Identity:
    """A user, the project that they work in, and their roles there."""

    user: str
    project: str
    roles: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        return {"X-User-Id": self.user, "X-Project-Id": self.project, "X-Roles": ",".join(self.roles)}

    @property
    def token(self) -> str:
        """The same in one word, for X-Auth-Token."""
        return f"{self.user}:{self.project}:{','.join(self.roles)}"

    @classmethod
    def from_token(cls, token: str) -> "Identity":
        """Raises ValueError."""
        user, project, roles = token.split(":")
        return cls(user, project, tuple(roles.split(",")))


def member(project: str, user: str = "") -> Identity:
    """Somebody who may do in a project what tenants may."""
    return Identity(user or f"member-of-{project}", project, ("member", "reader"))


ADMIN = Identity("admin", "admin", ("admin", "member", "reader"))
SERVICE = Identity("nova", "service", ("service", "admin"))
"""What Nova is to Neutron."""


class Middleware:
    """Stands in Neutron's pipeline where `authtoken` stands in a cloud."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        token = environ.get("HTTP_X_AUTH_TOKEN")
        if token:
            try:
                identity = Identity.from_token(token)
            except ValueError:
                start_response("401 Unauthorized", [("Content-Type", "text/plain")])
                return [b"A token is user:project:role,role\n"]
            for name, value in identity.headers.items():
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        return self.application(environ, start_response)


def filter_factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[Application], Middleware]:
    """What api-paste.ini names (PasteDeploy's paste.filter_factory)."""
    return Middleware
