-- 0022: tokens with scopes, beside the admin token in the data folder.
create table tokens (
  id           text primary key, -- the part between the underscores of rz_<id>_<secret>
  name         text not null,
  token_sha256 text not null unique,
  scopes       text not null, -- with commas between
  created_at   text not null,
  expires_at   text,
  last_used_at text, -- of the minute
  revoked_at   text
);
create unique index tokens_by_name on tokens (name) where revoked_at is null;
