-- 0018: a node's server that is started anew without an end of its session, and what its heartbeats say of the tunnel.
alter table sessions add column node_tunnel text check (node_tunnel in ('up', 'down')); -- null where none is used, or none is told of
alter table sessions add column bad_beat_at text; -- when a heartbeat last said that its server is not ready or its tunnel down
alter table sessions add column restart_asked_at text; -- null while no restart is wanted or under way
alter table sessions add column restart_begun_at text; -- when its session was heard to be at it
alter table sessions add column restarts integer not null default 0; -- of the session's present process, by its own word
