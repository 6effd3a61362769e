-- 0008: the person's read token of the model hub, by the hub's address: a token for an emulated hub is never shown to the real one.
create table hub_tokens (
  hub        text primary key,
  sealed     text not null, -- the token, sealed
  user_name  text not null, -- whose it is, as the hub says
  role       text not null, -- what it may do, in the hub's word: read, write, fineGrained
  state      text not null check (state in ('good', 'refused')),
  written_at text not null
);
