"""Steps of several ranks run on arrays: the network that is trained on them, and the links between them."""
