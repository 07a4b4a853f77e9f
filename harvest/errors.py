"""What can go wrong on the way from the Library to the disk."""

from datetime import datetime


class HarvestError(Exception):
    """Something in the harvest room did not work; the message says what to do next."""


class ManifestError(HarvestError):
    """A manifest is missing, or its columns or values are not those of its schema."""


class CatalogError(HarvestError):
    """A reply of the catalogue is not what a listing or an item looks like."""


class DownloadError(HarvestError):
    """A request failed after all retries, or was answered with something else."""


class NotFoundError(DownloadError):
    """The server says that there is nothing under this address."""


class ForbiddenError(DownloadError):
    """The server refuses this one file, without a sign that it blocks us altogether."""


class DisallowedError(DownloadError):
    """The host's robots.txt asks robots not to take this address."""


class AstrayError(DownloadError):
    """The answer leads off the Library's two hosts, or names an address that we never ask."""


class TooLargeError(DownloadError):
    """The answer is, or says that it is, larger than anything of its kind can be."""


class StoppedError(HarvestError):
    """The run was asked to stop; what came until then is kept."""


class BlockedError(HarvestError):
    """The server asks us to stay away; every further request would make it worse."""

    def __init__(self, message: str, *, until: datetime | None = None) -> None:
        """Keep the time from which on one may ask again, where the server named one."""
        super().__init__(message)
        self.until = until
