"""What can go wrong between a scan and a shard."""


class PreprocessError(Exception):
    """A failure of the `preprocess` room."""


class ScanError(PreprocessError):
    """A scan on disk that cannot be decoded."""


class ShardError(PreprocessError):
    """A shard, or its index, that cannot be written or is not what it should be."""
