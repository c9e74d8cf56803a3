"""What runs inside Transform and Trainer: tensors, models, recipes. Imports no other package of ours."""
