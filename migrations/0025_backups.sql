-- 0025: backups: which were made and tried, and from which this database was restored.

-- Which data folder this is; a restored one stays the same.
create table installation (
  one integer primary key check (one = 1),
  id  text not null
);

create table backup_attempts (
  id         text primary key,
  kind       text not null check (kind in ('backup', 'drill')),
  place      text not null,
  name       text, -- of the backup, once it is known
  began_at   text not null,
  ended_at   text, -- null while it is under way, or its process has died
  outcome    text check (outcome in ('done', 'failed')),
  why        text, -- it failed
  bytes      text -- of the backup, decimal text
);
create index backup_attempts_by_kind on backup_attempts (kind, began_at);

-- Each time that this database was put in place from a backup.
create table restores (
  number             integer primary key,
  at                 text not null,
  backup             text not null,
  made_at            text not null, -- the backup
  adapters_from      integer not null, -- versions up to here may have been given out in the time that was lost
  -- 1: checkpoints of the time that was lost may still stand in the store, and are looked for before anything is swept
  wants_checkpoints  integer not null
);
