"""The notebook's side of the session protocol, in the standard library of Python 3.8 and later."""
