-- 0016: where alerts are told, in which messages, and how each message fares. Times are UTC ISO 8601 text.

create table channels (
  name        text primary key,
  kind        text not null check (kind in ('mail', 'inbox', 'webhook')),
  preset      text, -- the shape of a webhook's bodies
  sealed      text, -- a webhook's address and secret, as JSON, sealed; those of mail stand in the settings
  shown       text not null, -- where it goes, without what is secret
  settings    text, -- mark of the settings that mail was last tried with: with other ones it is tried again
  quiet       text, -- JSON: see alerts/quiet-hours.ts
  per_hour    integer not null,
  digest      integer not null default 1,
  broken_at   text, -- nothing is tried since: its sign-in was refused
  broken_said text,
  created_at  text not null
);

-- One message to one channel, rendered once: whoever sends it again sends the same bytes. No foreign key to its channel: what was
-- told stays on record when the channel goes.
create table envelopes (
  id            text primary key, -- made from its channel and its alerts
  channel       text not null,
  number        integer not null unique, -- in the order of composition; within a channel also that of sending
  kind          text not null, -- of its alerts; summary, when an hour had too many; test
  subject       text not null,
  body          text not null, -- plain text of mail, the body of a webhook
  html          text, -- mail alone
  headers       text not null, -- JSON: those of a webhook's call that belong to the message
  message_id    text not null,
  in_reply_to   text,
  refs          text not null, -- JSON: Message-IDs, oldest first
  recipients    text not null, -- JSON: who of mail's has not got it yet
  created_at    text not null,
  state         text not null check (state in ('waiting', 'sent', 'refused', 'parked')),
  tried_from    text not null, -- a day from here it is parked; moved by a retry
  attempts      integer not null,
  next_at       text not null,
  said          text,
  is_sign_in    integer not null default 0, -- refused because of the sign-in: sent again when the channel is mended
  claimed_by    text, -- the process that sends it now
  ended_at      text
);
create index envelopes_waiting on envelopes (channel, number) where state = 'waiting';
create index envelopes_of_channel on envelopes (channel, created_at);

-- Which alert goes to which channel: at most once.
create table tellings (
  channel     text not null,
  alert_id    text not null references alerts (id),
  envelope_id text references envelopes (id),
  -- held: dealt to the channel and in no message yet; put: in one; left-out: the return of what this channel was never told of
  state       text not null check (state in ('held', 'put', 'left-out')),
  not_before  text not null, -- the end of its quiet hours, or of an hour that had too many
  is_over     integer not null default 0, -- 1: its hour had too many messages, and it goes into the summary
  primary key (channel, alert_id)
);
create index tellings_held on tellings (not_before) where state = 'held';
create index tellings_alert on tellings (alert_id);
create index tellings_envelope on tellings (envelope_id);

create index alerts_at on alerts (at, id);
