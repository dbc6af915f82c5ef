"""What lies on the disk: a folder with a manifest and the levels, written whole and read warily.

`docs/bundle.md` describes the format.
"""
