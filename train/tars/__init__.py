"""Any WebDataset: an index of its tars, and its pictures decoded into samples."""
