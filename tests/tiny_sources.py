"""Files that are listed as images or as TFRecords, though nothing reads them."""

import gzip

# What tf.io.TFRecordWriter makes of the payload b"record".
RECORD = bytes.fromhex("06000000000000007369d5377265636f726405de2bfc")


def write(path, content=b"image"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_record(path):
    """Writes a TFRecord file of one record, gzip-compressed when its name ends in .gz."""
    return write(path, gzip.compress(RECORD) if path.suffix == ".gz" else RECORD)


def write_class_folders(folder):
    write(folder / "cat" / "1.png")
    write(folder / "cat" / "2.png")
    write(folder / "dog" / "1.png")
    return folder


def rows(listing):
    return [(file.path, file.label, file.split) for file in listing.files]
