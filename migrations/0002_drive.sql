-- 0002: Google Drive as a store: which file stands for which key, and the person's sign-in.

-- Drive's names are not unique and its listing lags: the id is what counts. Listing serves only to find lost ids again.
create table drive_files (
  key        text primary key, -- of the artifact store
  file_id    text not null unique, -- made before the upload begins, so that a repeated one is the same file
  client_id  text not null, -- of the Google client that made it: another client does not see it
  bytes      text not null,
  sha256     text not null,
  state      text not null check (state in ('opened', 'whole')),
  written_at text not null
);

create table google_sign_ins (
  client_id  text primary key,
  account    text, -- the address of the person who signed in, where Google told it
  sealed     text not null, -- the refresh token, AES-256-GCM
  state      text not null check (state in ('good', 'revoked')),
  written_at text not null
);
