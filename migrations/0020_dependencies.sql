-- 0020: nodes that are reached through others, outages that nobody is told of meanwhile, and what the thinning of alerts looks for.
alter table nodes add column depends_on text; -- JSON: the ids of the nodes without which it is not reached; null for none
-- 1: whatever answers there is up, such as a router's page or a provider's status page; 0: it says what a node says at /health
alter table nodes add column any_answer integer not null default 0;
create index nodes_dependent on nodes (id) where depends_on is not null and removed_at is null;
create index nodes_tunnel_account on nodes (tunnel_account) where tunnel_account is not null and removed_at is null;

alter table incidents add column held_at text; -- since when people are not told of it; null once they are
alter table incidents add column held_by text; -- the node that is down and that its node depends on; null while none is known to be
create index incidents_held on incidents (opened_at) where held_at is not null and closed_at is null;

create index envelopes_sent on envelopes (ended_at, id) where state = 'sent';
create index incidents_thread on incidents (thread);
create index blips_ended on blips (ended_at);
