"""The built-in steps, by capability.

A module that lies directly in a capability's folder is a step, and so is one that is called `step`; the folders
beside them hold what the steps compute with. `keep` is shared by all.
"""
