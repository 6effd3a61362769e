-- 0003: sessions that a person starts from a link are given up when nobody comes.
alter table sessions add column expires_at text;
