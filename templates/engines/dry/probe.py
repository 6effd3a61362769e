# The engine `dry` computes on the CPU; a GPU is neither needed nor touched.
import platform

with session.phase('probe'):  # noqa: F821
    session.say('Python %s on %s' % (platform.python_version(), platform.system()))  # noqa: F821
