-- 0009: what people take away again, correct, and when they are not there.

-- The intent to remove what has files, written before any of them goes: whoever finds one open goes on with it. Finished ones
-- stay, for they say whose left-overs a store may still hold.
create table removals (
  id          text primary key,
  kind        text not null check (kind in ('run', 'data')),
  subject     text not null, -- the id of the run, the version of the data
  name        text not null, -- what a person called it
  asked_at    text not null,
  finished_at text
);
create unique index one_open_removal on removals (kind, subject) where finished_at is null;

-- A removed account stays for the history of its sessions. Its owner and user name move aside, so that the rule of one account
-- for each person at a provider binds those in use alone.
alter table accounts add column removed_at text;
alter table accounts add column removed_owner text;
alter table accounts add column removed_username text;
drop index one_cli_account;
create unique index one_cli_account on accounts (driver) where driver = 'cli' and removed_at is null;

-- Those who lend accounts: when they may be asked to do something. Who has no row has the zone of the service's machine.
create table people (
  owner       text primary key, -- as in accounts
  zone        text not null,    -- IANA
  waking_from integer not null, -- hour of the zone's wall clock
  waking_to   integer not null, -- not included, 24 at most; a smaller one than waking_from goes over midnight
  written_at  text not null
);

-- Spans in which a person is not there to start anything; the end is not included.
create table absences (
  id         text primary key,
  owner      text not null,
  starts_at  text not null,
  ends_at    text not null,
  created_at text not null
);
create index absences_by_end on absences (ends_at);
