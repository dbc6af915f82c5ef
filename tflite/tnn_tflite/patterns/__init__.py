"""Patterns of open and closed components, cut on the device from one file.

A file whose components stand behind `IF`s runs with any pattern. Cut for one pattern it has no
`IF`: each is replaced by the operators of the branch that is taken, and what nobody reads is gone.

`branched_file` reads such a file, `flat` follows its branches, `head` writes the file of a pattern:
a new head, the constants that are left, and of the old file the part that describes tensors and
options, as it is. All of it takes no schema of TFLite.
"""
