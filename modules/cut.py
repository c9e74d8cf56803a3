"""Where a model can be cut in two, so that its lower part is computed once and stored."""

import keras


def nearest_cut_below(model: keras.Model, layers: list) -> "keras.KerasTensor":
    """Returns the highest tensor of the graph that everything in `layers` can be computed from, alone.

    A tensor is such a point when it is the only one that crosses from what ran before to what runs after,
    as at the end of a residual block but not inside one. The model's own input always qualifies.

    Args:
      model: a functional model with one input and one output.
      layers: the layers (or operations) that must lie above the cut.
    """
    above = {id(layer) for layer in layers}
    # Keras keeps the graph in topological order here: the greatest depth is the input.
    nodes = [node for _, level in sorted(model._nodes_by_depth.items(), reverse=True) for node in level]
    last_use = {}
    for position, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = position
    last_use[id(model.outputs[0])] = len(nodes)

    cut, alive = model.inputs[0], {}
    for position, node in enumerate(nodes):
        if id(node.operation) in above:
            break
        alive.update((id(tensor), tensor) for tensor in node.output_tensors)
        alive = {key: tensor for key, tensor in alive.items() if last_use.get(key, -1) > position}
        if len(alive) == 1:
            cut = next(iter(alive.values()))
    return cut


def layer_that_makes(tensor: "keras.KerasTensor") -> str:
    """Returns the name of the layer whose output the tensor is."""
    return tensor._keras_history.operation.name
