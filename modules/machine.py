"""On what a training ran, for its history."""

import os
import platform

import keras
import psutil
import tensorflow as tf


def versions() -> dict[str, str]:
    """Returns the versions that decide what a training computes."""
    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def machine() -> dict:
    """Returns what a training's speed depends on."""
    accelerators = [d for kind in ("GPU", "TPU") for d in tf.config.list_physical_devices(kind)]
    return {
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "platform": platform.platform(),
        "accelerators": [
            tf.config.experimental.get_device_details(device).get("device_name", device.name)
            for device in accelerators
        ],
    }
