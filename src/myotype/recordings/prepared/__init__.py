"""The prepared cache: recordings in a form that training reads at random, a hundred times faster than HDF5.

A cache is a folder with one folder a recording, ``<user>/<session>``. That holds

====================  =================================================================================================
``emg.npy``           (n, 32): ``int16``, to be multiplied by a step, where this gives every sample back exactly; else
                      ``float32``, or ``float16`` where that was asked for. The ``int16`` -32768 stands for no number.
``times.npy``         (n,) ``int16``: by how much each time differs from the one expected, in steps of the float64s.
``clock.npy``         (m,) ``float64``: the time that each block of 1024 samples begins with, then the times of the
                      blocks that did not fit; see :mod:`~myotype.recordings.prepared.times`.
``keys.npy``          (k, 2) ``int64``: the sample and the label of each key press that training counts. Absent where
                      keys cannot be placed.
``keystrokes.json``   key presses, all of them, as the HDF5 form has them.
``prompts.json``      prompts, likewise.
``recording.json``    the rest: who, what, how, what it was made from, and the size and SHA-256 of the other files.
====================  =================================================================================================

A folder appears whole or not at all. Nothing in it can be executed, and any NumPy reads and maps its arrays.
"""
