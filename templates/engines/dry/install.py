# The engine `dry` needs nothing but Python itself.
with session.phase('install'):  # noqa: F821
    session.say('nothing to install: the engine dry is plain Python')  # noqa: F821
