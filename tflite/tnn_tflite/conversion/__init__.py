"""From Keras models to TFLite files in a bundle, and the comparison of both.

Loaded where models are shipped, not on devices: what runs here imports Keras and TensorFlow.
"""
