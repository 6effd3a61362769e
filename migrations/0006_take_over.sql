-- 0006: a session that a person started again goes on in another process; those that it took the place of stay out for good,
-- also when a request of theirs was long on its way.
create table spent_nonces (
  nonce_hash text primary key,
  session_id text not null references sessions (id),
  generation integer not null, -- the one that process held
  spent_at   text not null
);
