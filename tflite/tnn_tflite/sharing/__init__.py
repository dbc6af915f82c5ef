"""One file that holds every level, and how a level is cut from it.

A shared file starts with a complete TFLite file, the base, which any runtime can run as it is. In
layout "single" that is the file of the highest level, in layout "signatures" one file with a
signature for each level. Behind it stands a plan (`plan`): for each level the bytes that are its
own, and for each of its constants how it is taken from the base (`hole`).

`cut_level` follows the plan on the device. It knows nothing of TFLite: it copies, slices and scales
arrays, with numpy. The other files of this folder find the plan where the bundle is written.
"""
