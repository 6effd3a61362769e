-- 0010: what a plan is made from: whose turn comes first, when a session took its first step, and what serves instead of training.
alter table runs add column priority integer not null default 0;
-- A serving policy is a run without an end: its sessions serve. Null for a training.
alter table runs add column serving text;
alter table sessions add column training_at text;
create index sessions_by_account on sessions (account, created_at);

-- A policy trains on nothing; its data set is the empty one.
insert into dataset_versions (version, train_rows, train_bytes, train_sha256, validation_rows, validation_bytes, validation_sha256, created_at)
values ('none', 0, '0', '', 0, '0', '', '1970-01-01T00:00:00.000Z');

-- A successor serves before its forerunner ends: two sessions of a policy may live at once.
alter table sessions add column serves integer not null default 0;
drop index one_live_session;
create unique index one_live_session on sessions (run_id) where ended_at is null and serves = 0;

-- 1: the provider's rule of serving has been accepted.
alter table accounts add column serves integer not null default 0;

-- What is told once for a session is looked for at each of its heartbeats.
create index events_by_session on events (session_id, kind);
