"""An OpenAI-compatible server for one base and its adapters; Python 3.11, FastAPI and uvicorn.

The same files stand in a serving notebook and on an inference box.
"""
