-- 0019: deep probes: one token of a node, asked for now and then, and how long it took. Milliseconds since 1970 where a column says so.

create table deep_checks (
  node_id       text primary key references nodes (id),
  base_url      text, -- of its OpenAI-compatible interface; null: /v1 at the node's own origin
  model         text, -- null: the one that it names at /health
  sealed        text, -- its key, sealed for this node and this origin alone; null without one
  every_seconds integer not null, -- as asked for
  deep_turn_seconds integer not null, -- as kept: the requests of its tunnel account may not bear more
  standing      text not null, -- what its deep probes have shown so far, as JSON: see health/deep-watch.ts
  next_ms       bigint not null
);
create index deep_checks_next on deep_checks (next_ms);

create table deep_probes (
  node      integer not null references nodes (number),
  at_ms     bigint not null,
  token_ms  integer, -- to the first token; null without one
  end_ms    integer, -- to the end of the answer; null where it was not waited for
  found     text not null, -- good, no-token, asked-wrong, refused, limited, unknown (our own network)
  primary key (node, at_ms)
);

-- By the day (UTC), for the time after the deep probes themselves are gone.
create table deep_totals (
  node   integer not null references nodes (number),
  day    text not null, -- 2026-03-10
  asked  integer not null, -- those that learned whether it generates
  good   integer not null,
  tokens text not null, -- ms to the first token, counted by class, as JSON: see health/latencies.ts
  primary key (node, day)
);
