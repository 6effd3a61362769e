-- 0005: how sessions at Colab begin: from a link that a person opens, or by the official command line.
alter table accounts add column driver text check (driver in ('link', 'cli'));
update accounts set driver = 'link' where provider = 'colab';

-- The command line keeps one sign-in, and Colab's rules allow one account: two requests at once make no second one.
create unique index one_cli_account on accounts (driver) where driver = 'cli';
