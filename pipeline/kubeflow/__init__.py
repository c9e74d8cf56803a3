"""Kubeflow Pipelines: the DAG compiled, its steps run in containers, submitted, scheduled.

Compiling, in this order:
  compile_file        the command: a config file in, a pipeline file out
  checks              what is wrong with a config for a cluster: paths, beam_checks, caching
  steps               what each step gets, product's defaults included
  compile             TFX's output, with parameters (of a run), tasks (image, resources, retries), and
                      platform (volumes, secrets, tolerations: the second document)
  linter              what the backend would refuse or ignore: lint_graph, lint_executors, lint_platform

In a container:
  entrypoint          between Kubeflow's launcher and a TFX executor

Talking to a cluster:
  commands            what submit and schedule do, with connection and connection_options
  client              the API, every error in one line
  submission          what is handed over; submit starts a run, follow follows it, schedules repeats it
  cron, cron_words    five and six fields, checked, converted, said in words
"""
