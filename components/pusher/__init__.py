"""Puts a blessed model where TensorFlow Serving looks, whole or not at all."""
