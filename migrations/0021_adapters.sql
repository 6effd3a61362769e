-- 0021: adapters: what runs have left to be judged, what became of it, and which version of each line is served.
create table adapters (
  number          integer primary key, -- its version is v<number>: counted over all lines, and never used again
  line            text not null, -- what follows from what: the standing run, the run it began with, or the run itself
  run_id          text not null, -- stays when that run is removed
  run_name        text not null,
  label           text not null,
  generation      integer not null,
  step            integer not null,
  manifest_sha256 text not null unique,
  bytes           text not null, -- decimal text: may exceed 32 bits, which one tier's integer holds
  base            text not null,
  judged          text, -- what its run has found of it, as JSON; null where it found nothing
  state           text not null check (state in ('candidate', 'promoted', 'rejected')),
  score           real, -- its loss on the conversations of the first of its line
  why             text, -- of the decision, or that a person has to make it
  created_at      text not null,
  decided_at      text,
  decided_by      text -- 'policy', or who said so
);
create index adapters_by_line on adapters (line, number);
create index adapters_undecided on adapters (number) where state = 'candidate';

-- Which version of a line is served: the one of the newest row.
create table adapter_moves (
  id       integer primary key,
  line     text not null,
  number   integer not null references adapters (number),
  kind     text not null check (kind in ('promoted', 'rolled-back')),
  at       text not null,
  by       text not null
);
create index adapter_moves_by_line on adapter_moves (line, id);

-- How candidates of a line are decided: by the judge, or by a person.
create table adapter_lines (
  line   text primary key,
  policy text not null check (policy in ('auto', 'manual'))
);

-- What runs have left before: nobody has judged it, so that a person promotes the first of each line.
insert into adapters (number, line, run_id, run_name, label, generation, step, manifest_sha256, bytes, base, state, why, created_at)
select row_number() over (order by a.committed_at, a.run_id), coalesce(s.name, r.name), a.run_id, r.name, a.label, a.generation, a.step,
  a.manifest_sha256, a.bytes, '', 'candidate', 'it was left before anything was judged', a.committed_at
from artifacts a
join runs r on r.id = a.run_id
left join standing_openings o on o.run_id = a.run_id
left join standing_runs s on s.id = o.standing_id
where a.label <> 'dry';
