"""Runs a repository's training script, unmodified, in the sandbox and by the training interpreter; imports nothing of Pushline.

launch.py is started as a file. It notes what the script gives Keras, and exports the model once the script ended.
"""
