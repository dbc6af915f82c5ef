"""What each level of a bundle takes on this device: timed, stored and read with distrust.

Not to be confused with the `calibration_data` of `convert`, by which batch-norm statistics are
estimated. `dispatch.calibrate` measures a whole bundle with what is here.
"""
