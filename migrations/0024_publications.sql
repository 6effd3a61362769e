-- 0024: publications: where adapters are put beside the store, and how far that has come.
alter table adapter_lines add column publish_to text; -- what a promotion publishes to; null for nowhere

create table publications (
  id         text primary key,
  number     integer not null references adapters (number),
  target     text not null, -- hub:OWNER/NAME, drive or folder:/path
  state      text not null check (state in ('pending', 'blocked', 'done')), -- blocked: a person has to mend something
  place      text, -- where it stands, for a person; set with 'done'
  code       text, -- of what stood in the way the last time
  why        text,
  next_step  text,
  tries      integer not null, -- since it was asked for, or since it got on
  look_at    text not null, -- not looked at before
  asked_at   text not null,
  done_at    text,
  missing    text not null default '0', -- bytes that somebody has to carry yet; decimal text: may exceed 32 bits
  unique (number, target)
);
create index publications_open on publications (look_at) where state <> 'done';

-- Bytes of large files that have come to the Hub from here, by the month (UTC): a free line or account has a limit for what goes out.
create table hub_uploads (
  month text primary key, -- 2026-11
  bytes text not null
);
