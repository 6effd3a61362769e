-- 0011: where a session that serves is reached, and since when it has said that it is ready; all null while it is not.
alter table sessions add column node_ready_at text;
-- Null for a node that is reached from its own machine alone.
alter table sessions add column node_url text;
-- SHA-256 of the manifest of the adapter that answers there.
alter table sessions add column node_adapter text;
