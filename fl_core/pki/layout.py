"""Where the files of the certificates lie in a workspace, as in the OpenFL paper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Suffix = Literal["key", "csr", "crt"]


@dataclass(frozen=True)
class Layout:
    """The paths below one workspace.

    Attributes:
        workspace: The workspace's folder.

    Example:
        >>> Layout(Path("w")).client("one", "csr").as_posix()
        'w/cert/client/col_one.csr'
    """

    workspace: Path

    @property
    def chain(self) -> Path:
        """The authority's two certificates, signing first: what every party trusts."""
        return self.workspace / "cert" / "cert_chain.crt"

    @property
    def revoked(self) -> Path:
        """The revoked serials, as the aggregator reads them."""
        return self.workspace / "cert" / "revoked.json"

    @property
    def ca(self) -> Path:
        """The authority's own folder, 0700."""
        return self.workspace / "cert" / "ca"

    @property
    def book(self) -> Path:
        """The authority's book."""
        return self.ca / "book.json"

    @property
    def requests(self) -> Path:
        """The signed requests of collaborators."""
        return self.workspace / "cert" / "requests"

    @property
    def authorised(self) -> Path:
        """The names that may take part."""
        return self.workspace / "plan" / "cols.yaml"

    @property
    def data_paths(self) -> Path:
        """Each collaborator's data on its own machine."""
        return self.workspace / "plan" / "data.yaml"

    def server(self, fqdn: str, suffix: Suffix) -> Path:
        """Return a file of the aggregator."""
        return self.workspace / "cert" / "server" / f"agg_{fqdn}.{suffix}"

    def client(self, name: str, suffix: Suffix) -> Path:
        """Return a file of a collaborator."""
        return self.workspace / "cert" / "client" / f"col_{name}.{suffix}"

    def authority(self, level: Literal["root", "signing"], suffix: Literal["key", "crt"]) -> Path:
        """Return a file of the authority."""
        return self.ca / f"{level}.{suffix}"
