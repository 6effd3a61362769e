-- 0004: sessions that reach no service, and the files that were opened for them before they began.
alter table sessions add column sealed integer not null default 0;

-- One row for each address that a sealed notebook carries; the address itself is a capability and is not kept.
create table sealed_files (
  session_id text not null references sessions (id),
  slot       integer not null, -- one slot holds one checkpoint, the last one the artifact
  position   integer not null, -- 0 is the manifest, the files stand in the manifest's order
  kind       text not null check (kind in ('checkpoint', 'artifact')),
  file_id    text not null unique, -- made before the upload was opened
  folder_id  text not null, -- deleted with all that is in it once the session is over: nothing can come any more
  client_id  text not null,
  opened_at  text not null,
  taken      integer not null default 0, -- 1: it belongs to a checkpoint now
  primary key (session_id, slot, position)
);
