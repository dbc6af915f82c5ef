"""Work that may kill its process, done in a child that may die.

Three kinds of work can: TensorFlow's converter, a stranger's file in an interpreter (its trial), a
tensor arena that is too small. All start and end alike (`process`); the converter's child lives on
between requests (`guarded`, `serve`), the others end with their one answer.

Needs neither numpy nor TensorFlow: the trial runs on devices.
"""
