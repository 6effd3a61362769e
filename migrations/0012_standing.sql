-- 0012: standing runs: what opens the next run by itself, by time or by new examples.
create table standing_runs (
  id             text primary key,
  name           text not null unique,
  dataset        text not null, -- a name, never a version: its newest version is what the next run trains on
  request        text not null, -- what each of its runs is asked for, as JSON
  every_seconds  integer,
  when_new       integer,
  state          text not null check (state in ('open', 'stopped')),
  stopped_why    text,
  count          integer not null default 0, -- the number of the last run it has opened
  last_run_id    text, -- stays when that run is removed
  last_opened_at text,
  rows_then      integer not null default 0, -- training examples of what the last run trains on
  waits_for      text check (waits_for in ('run', 'period', 'examples', 'data', 'trouble')),
  waiting        text, -- why no run is opened now; null when one is, or none ever will be
  created_at     text not null,
  check (every_seconds is not null or when_new is not null)
);

-- Which run was opened by which standing run. Removed with either: a run may outlive what has opened it.
create table standing_openings (
  run_id       text primary key references runs (id),
  standing_id  text not null references standing_runs (id),
  number       integer not null,
  because      text not null check (because in ('first', 'period', 'examples')),
  dataset_rows integer not null,
  opened_at    text not null,
  unique (standing_id, number)
);
