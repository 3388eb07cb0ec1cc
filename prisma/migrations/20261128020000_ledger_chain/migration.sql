-- Each row of a diner's ledger gets its number in it and the hash that chains it to the one before (docs/CONTRACT.md,
-- section 15, Statement; src/domains/points/chain.ts). The user's row keeps the last of both.
ALTER TABLE `users`
  ADD COLUMN `ledger_seq` INTEGER NOT NULL DEFAULT 0 AFTER `total_points`,
  ADD COLUMN `ledger_hash` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    DEFAULT '0000000000000000000000000000000000000000000000000000000000000000' AFTER `ledger_seq`;

ALTER TABLE `points_records`
  ADD COLUMN `seq` INTEGER NOT NULL DEFAULT 0 AFTER `user_id`,
  ADD COLUMN `hash` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER `related_id`;

SET @chain_user := 0, @chain_seq := 0, @chain_hash := '';
UPDATE `points_records` SET
  `seq` = (@chain_seq := IF(`user_id` = @chain_user, @chain_seq + 1, 1)),
  `hash` = (@chain_hash := SHA2(CONCAT_WS('\n', IF(`user_id` = @chain_user, @chain_hash, REPEAT('0', 64)),
    `user_id`, @chain_seq, `points`, `balance_after`, `source`, COALESCE(`related_id`, ''),
    CONCAT(LEFT(DATE_FORMAT(`created_at`, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'), `description`), 256)),
  `user_id` = (@chain_user := `user_id`)
ORDER BY `user_id`, `id`;

-- The rows of a diner lie together, in their order. What was summed from an index is in `user_totals`.
ALTER TABLE `points_records`
  ALTER COLUMN `seq` DROP DEFAULT,
  ALTER COLUMN `hash` DROP DEFAULT,
  DROP PRIMARY KEY,
  ADD PRIMARY KEY (`user_id`, `seq`),
  ADD UNIQUE INDEX `points_records_id_key` (`id`),
  DROP INDEX `points_records_user_id_idx`,
  DROP INDEX `points_records_user_id_type_points_idx`,
  ADD CONSTRAINT `points_records_seq_check` CHECK (`seq` > 0);

UPDATE `users` AS u
JOIN (SELECT `user_id`, MAX(`seq`) AS `seq` FROM `points_records` GROUP BY `user_id`) AS l ON l.`user_id` = u.`user_id`
JOIN `points_records` AS p ON p.`user_id` = l.`user_id` AND p.`seq` = l.`seq`
SET u.`ledger_seq` = p.`seq`, u.`ledger_hash` = p.`hash`, u.`updated_at` = u.`updated_at`;
