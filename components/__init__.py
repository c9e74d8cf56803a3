"""Custom TFX components, a folder each: component.py declares, the other files work."""
