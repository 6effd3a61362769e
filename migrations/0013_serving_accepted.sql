-- 0013: who has accepted the rule of serving, and when. accounts.serves says whether it stands; these rows stay when it is taken back.
create table serving_acceptances (
  account     text not null references accounts (name),
  owner       text not null, -- who lent the account then, and accepted
  accepted_at text not null,
  revoked_at  text,
  primary key (account, accepted_at)
);

-- A machine of one's own has no rule to accept: it may serve at once, those that are known already as well.
update accounts set serves = 1 where provider = 'local';
