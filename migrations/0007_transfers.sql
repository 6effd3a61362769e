-- 0007: an address of one use was never tied to the upload that it was given for: session, path and hash say what it is good for.
alter table transfers drop column upload_id;
