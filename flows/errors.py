"""What can go wrong in orchestration; every message says what to do next."""


class FlowsError(Exception):
    """A stage could not run; base of this package's errors."""


class ParamsError(FlowsError):
    """A params file, or a `--set`, is not what was expected."""


class ServerError(FlowsError):
    """The Prefect server could not be started or reached."""


class SourceError(FlowsError):
    """The source of the catalogue could not be started."""


class AccountError(FlowsError):
    """What is to be counted or shown is missing or torn."""


class FolderError(FlowsError):
    """A folder cannot be written to."""


class CancelledError(FlowsError):
    """A run was cancelled in the Prefect UI."""


class MannersError(FlowsError):
    """A log of requests shows that a rule was broken."""


class ClusterError(FlowsError):
    """SLURM is missing, refuses, or its job ended without a result."""


class RefusedError(ClusterError):
    """A program of the cluster was called, and ended with an error."""


class JobLeftError(ClusterError):
    """SLURM does not answer, and a job may go on that nobody waits for any more."""


class TrackingError(FlowsError):
    """A tracker that the settings ask for is missing, or has no login."""


class PlotsError(FlowsError):
    """DVC's plots cannot be drawn."""


class SharingError(FlowsError):
    """A release, a comparison, a check or an export cannot be made as asked."""


class NodeError(FlowsError):
    """There is nothing to measure a node by."""


class StepError(FlowsError):
    """A step of a deployed run failed; the message holds its last lines."""


class DeployError(FlowsError):
    """A deployed run does not fit the settings, or a deployment cannot be registered."""


class ProgramError(FlowsError):
    """DVC or Git, which refused or is not there."""
