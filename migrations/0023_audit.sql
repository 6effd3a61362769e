-- 0023: the audit log: who has changed what, each line sealed with the one before. Lines are added, and never changed.
create table audit_log (
  number  integer primary key, -- dense and growing
  at      text not null,
  who     text not null, -- 'admin', or the name of a token
  what    text not null, -- the call: method and path
  outcome integer not null, -- the status that it was answered with
  hash    text not null -- SHA-256 of the hash before and of this line
);
-- How far it goes, so that lines that are missing at its end are found too.
create table audit_head (
  one    integer primary key check (one = 1),
  number integer not null,
  hash   text not null
);
