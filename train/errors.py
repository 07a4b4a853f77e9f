"""What can go wrong in training, by where it went wrong."""


class TrainError(Exception):
    """Base of every error that training raises at its edges."""


class DataError(TrainError):
    """The shards are missing, damaged, or hold too little to train on."""


class StoppedError(TrainError):
    """The run was told to stop while it waited for samples."""


class DamagedError(DataError):
    """A sample's bytes are not those of the index."""


class CheckpointError(TrainError):
    """A checkpoint cannot be written, or belongs to another run."""
