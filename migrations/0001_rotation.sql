-- 0001: runs, sessions, accounts, the GPU-hour book, checkpoints, events.
-- Seconds are whole numbers, times UTC ISO 8601 text, JSON is text: two database tiers add and sort alike.

create table accounts (
  name                text primary key,
  owner               text not null,
  provider            text not null check (provider in ('kaggle', 'colab', 'local')),
  username            text not null,
  automation          text not null check (automation in ('api', 'person')),
  weekly_seconds      integer not null,
  reset_weekday       integer not null, -- 0 is Sunday
  reset_hour          integer not null,
  reset_zone          text not null,
  max_session_seconds integer not null,
  max_concurrent      integer not null,
  margin_percent      integer not null,
  emulated            integer not null, -- 1: made for the emulators, never shown to the real provider
  hold_until          text, -- no launch before this time, after a refusal
  hold_reason         text,
  created_at          text not null,
  unique (provider, owner, emulated), -- several accounts of one person at one provider break the providers' rules
  unique (provider, username, emulated)
);

create table credentials (
  account    text primary key references accounts (name),
  sealed     text not null, -- AES-256-GCM, the key stands outside the database
  written_at text not null
);

create table accepted_rules (
  provider    text primary key,
  accepted_at text not null
);

create table dataset_versions (
  version           text primary key, -- made from the content
  train_rows        integer not null,
  train_bytes       text not null, -- decimal text: may exceed 32 bits, which one tier's integer holds
  train_sha256      text not null,
  validation_rows   integer not null,
  validation_bytes  text not null,
  validation_sha256 text not null,
  created_at        text not null
);

create table dataset_names (
  name        text not null,
  version     text not null references dataset_versions (version),
  imported_at text not null,
  rejected    integer not null,
  primary key (name, version)
);

create table runs (
  id              text primary key,
  name            text not null unique,
  engine          text not null,
  state           text not null check (state in ('queued', 'training', 'stopping', 'stopped', 'completed', 'failed')),
  stop_asked      integer not null default 0,
  dataset_version text not null references dataset_versions (version),
  plan            text not null,
  options         text not null,
  target_steps    integer not null,
  step            integer not null default 0, -- the furthest step reported by a live generation
  generation      integer not null default 0, -- the last one given out
  failures        integer not null default 0, -- sessions in a row that failed
  failure         text,
  waiting         text, -- why no session can start now, null when one can
  sample          integer not null default 0,
  created_at      text not null,
  ended_at        text
);

create table sessions (
  id                   text primary key,
  run_id               text not null references runs (id),
  generation           integer not null,
  name                 text not null unique, -- the provider's name for it, made from run and generation
  account              text not null references accounts (name),
  provider             text not null,
  state                text not null check (state in ('planned', 'launching', 'awaiting_person', 'starting', 'running', 'stopping', 'ended')),
  outcome              text check (outcome in ('finished', 'budget', 'limit', 'preempted', 'lost', 'failed', 'cancelled', 'superseded', 'expired')),
  reason               text,
  handle               text, -- what the provider answered to the launch
  ticket_hash          text not null unique,
  nonce_hash           text, -- of the process that enrolled
  token_hash           text unique,
  planned_seconds      integer not null,
  heartbeat_seconds    real not null,
  from_step            integer not null,
  to_step              integer not null,
  last_checkpoint_step integer,
  created_at           text not null,
  launched_at          text,
  enrolled_at          text,
  heard_at             text, -- the last sign of life
  checked_at           text, -- the last time the provider was asked
  deadline_at          text,
  ended_at             text,
  used_seconds         integer,
  log_tail             text,
  unique (run_id, generation)
);

-- The rule that no run ever has two live sessions, kept by the database itself.
create unique index one_live_session on sessions (run_id) where ended_at is null;

create table ledger_entries (
  id          text primary key, -- made by the writer from what it records: a report that arrives twice changes nothing
  session_id  text references sessions (id), -- none for a person's own adjustment
  kind        text not null check (kind in ('reserve', 'settle', 'release', 'adjust')),
  week_start  text not null, -- the account's own reset: a session across it has a row for each week
  account     text not null references accounts (name),
  gpu_seconds integer not null,
  note        text,
  written_at  text not null
);
create index ledger_by_week on ledger_entries (account, week_start);

create table quota_readings (
  account          text primary key references accounts (name),
  read_at          text not null,
  used_seconds     integer not null,
  reserved_seconds integer not null,
  allowed_seconds  integer not null,
  refreshes_at     text
);

create table uploads (
  id         text primary key,
  session_id text not null references sessions (id),
  run_id     text not null references runs (id),
  generation integer not null,
  kind       text not null check (kind in ('checkpoint', 'artifact')),
  step       integer not null,
  files      text not null,
  created_at text not null,
  unique (session_id, kind, step)
);

create table transfers (
  token_hash text primary key,
  session_id text not null references sessions (id),
  direction  text not null check (direction in ('upload', 'download')),
  upload_id  text references uploads (id),
  path       text not null, -- a key of the artifact store or of the datasets
  bytes      text not null,
  sha256     text not null,
  expires_at text not null,
  spent_at   text
);
create index transfers_by_session on transfers (session_id);

create table checkpoints (
  run_id          text not null references runs (id),
  step            integer not null,
  generation      integer not null,
  session_id      text not null references sessions (id),
  state           text not null check (state in ('committed', 'pruned', 'damaged')),
  manifest_sha256 text not null,
  bytes           text not null,
  metrics         text not null,
  committed_at    text not null,
  primary key (run_id, step, generation)
);

create table artifacts (
  run_id          text not null references runs (id),
  label           text not null, -- 'dry' can never be promoted or pulled as an adapter
  step            integer not null,
  generation      integer not null,
  manifest_sha256 text not null,
  bytes           text not null,
  metrics         text not null,
  committed_at    text not null,
  primary key (run_id, label)
);

create table metrics (
  run_id        text not null references runs (id),
  step          integer not null,
  generation    integer not null,
  loss          real not null,
  learning_rate real not null,
  primary key (run_id, step, generation)
);

create table events (
  id         integer primary key, -- dense and growing, given by the writer in the same transaction
  at         text not null,
  kind       text not null,
  run_id     text,
  session_id text,
  data       text not null
);
create index events_by_run on events (run_id, id);

create table idempotency_keys (
  key         text primary key,
  request     text not null, -- hash of route and body: the same key with another request is refused
  response    text not null,
  created_at  text not null
);

create table api_tokens (
  id         text primary key,
  name       text not null,
  scope      text not null,
  hash       text not null unique,
  created_at text not null,
  revoked_at text
);
