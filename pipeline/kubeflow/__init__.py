"""Everything Kubeflow Pipelines: compiling the DAG, running its steps in containers, submitting, scheduling."""
