"""The Library of Congress to scans on disk: catalogue, client, downloads, manifests."""
