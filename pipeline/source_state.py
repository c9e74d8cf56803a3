"""What the source of a config holds now, by its contents, with as little reading as possible.

Imports no TensorFlow, see pipeline.freshness.
"""

import contextlib

from components.image_example_gen.listing import Listing
from components.image_example_gen.source_contents import settle
from components.source_index import NO_INDEX, SourceIndex
from pipeline import freshness


def fingerprint(listing: Listing, output: str) -> str:
    """Returns the fingerprint of a source, to compare with that of the last run.

    Files whose stat the index in the output does not know are read, and the index there is brought up to
    date. Before the first run, and after one that failed as the first, there is nothing to compare with: then
    no file is read, because ingest reads them all.

    Args:
      listing: of the source.
      output: folder or address of the runs.

    Raises:
      StorageError: when an address cannot be read.
    """
    index = SourceIndex.read(output)
    summary = freshness.read_summary(output)
    if index is None and (summary is None or summary.made_from is None):
        return listing.fingerprint()
    return fingerprint_of_contents(listing, output)


def fingerprint_of_contents(listing: Listing, output: str) -> str:
    """Returns the fingerprint of a source, all of whose files are read that the index does not know."""
    before = SourceIndex.read(output) or NO_INDEX
    now = settle(listing, before)
    if now != before:
        # It only spares the next look the reading; the output may be somebody else's, or its disk full.
        with contextlib.suppress(OSError):
            now.write(output)
    return now.fingerprint


def cache_key(output: str, source_fingerprint: str) -> str:
    """Returns under which fingerprint TFX's cache has, or shall have, the examples of a source."""
    return (SourceIndex.read(output) or NO_INDEX).cache_key(source_fingerprint)
