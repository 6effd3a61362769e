"""One session of a serving policy: the conversation with the service, and a server in between."""
