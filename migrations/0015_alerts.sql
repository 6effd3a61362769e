-- 0015: what people are to be told, written in the transaction of its cause.
create table alerts (
  id      text primary key, -- made from its cause: written twice it is one
  kind    text not null,
  about   text not null,
  at      text not null,
  due_at  text not null, -- it is not told before
  thread  text,
  facts   text not null, -- JSON
  -- waiting: not in a message yet; told: in one for each channel; withdrawn: overtaken before it was due; silenced: on record alone
  state   text not null check (state in ('waiting', 'told', 'withdrawn', 'silenced'))
);
create index alerts_waiting on alerts (due_at) where state = 'waiting';
create index alerts_thread on alerts (thread);
