"""What runs inside Transform and Trainer: tensors, models, recipes. Imports nothing from the other packages."""
