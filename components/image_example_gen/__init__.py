"""ImageExampleGen: image files in, tf.Examples out.

Read in this order: sources.py (what is there), file_tree.py (on a disk or in an object store),
headers.py and inspection.py (one image), splits.py and decisions.py (where it goes), pipeline.py
(all of them, on Beam), shards.py, report.py.
"""
