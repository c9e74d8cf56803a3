"""Names of the features that travel through the pipeline, kept in one place.

A raw example carries the image file's bytes, its label, and scalar facts about it. The scalars
are what statistics, validation and slices look at; the pixels are never read for those.
"""

IMAGE_BYTES = "image_bytes"  # bytes: an encoded image that tf.io.decode_image understands
LABEL = "label"  # bytes: the class name

WIDTH = "width"  # int64, pixels, after EXIF orientation
HEIGHT = "height"  # int64, pixels, after EXIF orientation
CHANNELS = "channels"  # int64, channels of the file as found: 1, 2, 3 or 4
BYTE_SIZE = "byte_size"  # int64, bytes of the file as found
MEAN_BRIGHTNESS = "mean_brightness"  # float, mean luma, 0 (black) to 255 (white)
IMAGE_FORMAT = "image_format"  # bytes: JPEG, PNG, GIF, BMP, WEBP, TIFF: the file as found
CONTENT_HASH = "content_hash"  # bytes: SHA-256 of the file as found, hexadecimal
SOURCE_PATH = "source_path"  # bytes: path of the file relative to the data source

SCALARS = (
    WIDTH,
    HEIGHT,
    CHANNELS,
    BYTE_SIZE,
    MEAN_BRIGHTNESS,
    IMAGE_FORMAT,
    CONTENT_HASH,
    SOURCE_PATH,
)
NUMERIC_SCALARS = (WIDTH, HEIGHT, CHANNELS, BYTE_SIZE, MEAN_BRIGHTNESS)

# What Transform makes of a raw example.
PIXELS = "pixels"  # float32 [height, width, 3], whole numbers 0 to 255 (tf.Transform knows no uint8), RGB
IMAGE = "image"  # float32 [height, width, 3]: the pixels after the backbone's own preprocessing
LABEL_INDEX = "label_index"  # int64, position of the label in the vocabulary
LABEL_VOCABULARY = "labels"  # file name of the vocabulary asset

TRAIN_SPLIT, EVAL_SPLIT, TEST_SPLIT = SPLITS = ("train", "eval", "test")
