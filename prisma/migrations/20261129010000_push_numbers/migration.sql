-- Pushes are numbered by each user's own row (`push_seq`), which whoever pushes writes: on a cluster that keeps two
-- transactions for one user apart, where AUTO_INCREMENT is no order (src/engine/push-numbers.ts). Rows that are there
-- keep the numbers that clients know; what comes goes on behind all of them.
ALTER TABLE `users` ADD COLUMN `push_seq` BIGINT NOT NULL DEFAULT 0 AFTER `ledger_hash`;

ALTER TABLE `push_events` ADD COLUMN `seq` BIGINT NOT NULL DEFAULT 0 AFTER `user_id`;

UPDATE `push_events` SET `seq` = `id`;

-- The foreign key finds the new index before the old one goes.
ALTER TABLE `push_events`
  ALTER COLUMN `seq` DROP DEFAULT,
  ADD UNIQUE INDEX `push_events_user_id_seq_key` (`user_id`, `seq`),
  DROP INDEX `push_events_user_id_id_idx`;

UPDATE `users` SET `push_seq` = (SELECT COALESCE(MAX(`id`), 0) FROM `push_events`), `updated_at` = `updated_at`;
