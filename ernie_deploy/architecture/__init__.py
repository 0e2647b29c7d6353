"""What follows from the dimensions of a model of this family: parameters by part, KV bytes, image and video tokens."""
