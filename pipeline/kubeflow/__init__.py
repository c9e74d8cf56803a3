"""Kubeflow Pipelines: the DAG compiled, its steps run in containers, submitted, scheduled."""
