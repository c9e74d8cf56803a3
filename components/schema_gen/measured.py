"""Which features of an example have statistics, and which are only carried along."""

from modules import features

# Features that have a distribution worth looking at.
MEASURED_FEATURES = (features.LABEL, features.IMAGE_FORMAT, *features.NUMERIC_SCALARS)

# Statistics never read the pixels. Hash and path are different for every image: counting their
# values would only cost time and space.
UNMEASURED_FEATURES = (features.IMAGE_BYTES, features.CONTENT_HASH, features.SOURCE_PATH)
