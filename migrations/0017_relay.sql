-- 0017: how the node of a session that serves is reached: by its own address, through the service (the session calls it for
-- requests), or from its own machine alone. Null while there is none, and of nodes from before.
alter table sessions add column node_reach text check (node_reach in ('url', 'relay', 'local'));
