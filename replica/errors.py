"""What can go wrong in the replica."""


class ReplicaError(Exception):
    """The replica cannot show what it was asked to show."""


class FolderError(ReplicaError):
    """The folder of prints is missing or empty, so there is nothing to serve."""


class PortError(ReplicaError):
    """The replica could not listen where it was told to."""


class PlanError(ReplicaError):
    """The fault plan cannot be read, or asks for what does not exist."""


class LogError(ReplicaError):
    """The log of requests cannot be written, or does not read as one."""
