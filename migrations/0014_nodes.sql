-- 0014: nodes, what probes of them have shown, and their incidents. Milliseconds since 1970 where a column says so, for the many rows
-- of probes alone; every other time is UTC ISO 8601 text.

create table nodes (
  id               text primary key,
  -- Short, for the many rows of probes.
  number           integer not null unique,
  name             text not null,
  kind             text not null check (kind in ('static', 'session')),
  url              text, -- null while nothing is there to be probed, and for a node that is reached by relay
  reach            text not null check (reach in ('url', 'relay', 'local')),
  tunnel_account   text, -- nodes behind one account share its requests
  policy_id        text, -- the serving policy that puts it up; it may be removed before its node is
  session_id       text, -- the session in which it runs now
  expected_run     text, -- whose adapter is to answer, by the run's id
  interval_seconds integer not null, -- as asked for
  turn_seconds     integer not null, -- as kept: the requests of its tunnel account may not bear more
  is_public        integer not null default 0, -- 1: on the status page, and with a badge
  state            text not null check (state in ('idle', 'unknown', 'up', 'down', 'unstable', 'limited')),
  since            text not null,
  -- What the probes have shown so far, as JSON: see health/watch.ts.
  watch            text not null,
  next_probe_ms     bigint not null, -- when it is probed next, in ms since 1970
  -- What the newest good probe said, as JSON; null before any.
  health           text,
  latency_ms       integer,
  probed_at        text,
  certificate_ends_at text,
  created_at       text not null,
  removed_at       text
);
create unique index nodes_name on nodes (name) where removed_at is null;
create unique index nodes_policy on nodes (policy_id) where removed_at is null;
create index nodes_public on nodes (name) where removed_at is null and is_public = 1;
create index nodes_next_probe on nodes (next_probe_ms) where removed_at is null;

create table probes (
  node   integer not null references nodes (number),
  at_ms  bigint not null, -- when it began, in ms since 1970
  ms     integer, -- until the whole answer was there; null without one
  found  text not null, -- up, unknown (our own network), or the kind of its cause
  primary key (node, at_ms)
);

-- Probes by the hour and by the day (UTC), for the time after the probes themselves are gone.
create table probe_totals (
  node      integer not null references nodes (number),
  span      text not null check (span in ('hour', 'day')),
  starts_at text not null,
  up        integer not null,
  bad       integer not null,
  unknown   integer not null,
  -- Counts by class of latency, as JSON: see health/latencies.ts.
  latencies text not null,
  causes    text not null, -- counts by kind of cause, as JSON
  primary key (node, span, starts_at)
);

-- The newest hour of a node that is added up.
create table probe_marks (
  node         integer primary key references nodes (number),
  starts_at_ms bigint not null
);

-- Failed probes that were no outage.
create table blips (
  node_id  text not null references nodes (id),
  from_at  text not null,
  ended_at text not null,
  cause    text not null, -- JSON
  primary key (node_id, from_at)
);

create table incidents (
  id              text primary key,
  node_id         text not null references nodes (id),
  kind            text not null check (kind in ('down', 'unstable')),
  thread          text not null, -- its alerts answer each other; an incident that another turned into keeps that one's
  cause           text, -- JSON: kind and words
  started_at      text not null, -- when the first of its probes failed
  opened_at       text not null,
  closed_at       text,
  acknowledged_at text,
  acknowledged_by text,
  session_id      text, -- in which the node ran when it began
  -- What follows for a node of a serving policy, and how far it has been done.
  consequence     text not null check (consequence in ('replace', 'restart', 'none')),
  restart_at      text, -- when the restart was ordered
  replaced_at     text, -- when the rotation was told to replace its session
  told_at         text not null -- when people were last told of it
);
create unique index incidents_open on incidents (node_id) where closed_at is null;
create index incidents_node on incidents (node_id, opened_at);
create index incidents_opened on incidents (opened_at);

create table incident_steps (
  incident_id text not null references incidents (id),
  number      integer not null,
  at          text not null,
  kind        text not null,
  words       text not null,
  primary key (incident_id, number)
);

-- Silences and maintenance windows: no alert for what they cover, all on record.
create table silences (
  id         text primary key,
  node_id    text references nodes (id), -- null: all
  kind       text not null check (kind in ('silence', 'maintenance')),
  starts_at  text not null,
  ends_at    text not null,
  weekly     integer not null default 0, -- 1: again at the same local time in every week
  zone       text not null, -- in which a weekly one keeps its local time
  why        text,
  made_by    text not null,
  created_at text not null,
  ended_at   text -- taken back before its end
);

-- Spans in which this service's own network was down: nothing was learned of any node.
create table own_outages (
  id      text primary key,
  from_at text not null,
  to_at   text
);
