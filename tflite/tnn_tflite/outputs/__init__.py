"""What network outputs mean: the classes with the highest scores, the objects in boxes."""
