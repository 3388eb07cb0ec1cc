-- What a user has done, in figures: kept by the transactions that do it, so that no page counts a history. A row for
-- each topic and label, of which there are few; src/engine/totals.ts says what they mean and how they are checked.
-- No foreign key: it would lock the user's row whenever a label is new, behind rows that other transactions hold.
CREATE TABLE `user_totals` (
  `user_id` INTEGER NOT NULL,
  `topic` VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `label` VARCHAR(50) NOT NULL,
  `total` INTEGER NOT NULL,
  `earned` BIGINT NOT NULL,
  `spent` BIGINT NOT NULL,
  PRIMARY KEY (`user_id`, `topic`, `label`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

INSERT INTO `user_totals`
SELECT `user_id`, 'ledger', CONCAT(`type`, ':', `source`), COUNT(*), SUM(IF(`points` > 0, `points`, 0)),
  SUM(IF(`points` < 0, -`points`, 0))
FROM `points_records` GROUP BY `user_id`, `type`, `source`;

INSERT INTO `user_totals`
SELECT `user_id`, 'result', CONCAT(`draw_type`, ':', `prize_type`), COUNT(*), SUM(`points_awarded`), SUM(`points_cost`)
FROM `lottery_records` GROUP BY `user_id`, `draw_type`, `prize_type`;

INSERT INTO `user_totals`
SELECT `user_id`, 'order', `status`, COUNT(*), 0, SUM(`total_points`)
FROM `exchange_orders` GROUP BY `user_id`, `status`;

INSERT INTO `user_totals`
SELECT `user_id`, 'category', MIN(`category`), SUM(`quantity`), 0, 0
FROM `exchange_orders` WHERE `status` <> 'cancelled' GROUP BY `user_id`, `category`;

INSERT INTO `user_totals`
SELECT `user_id`, 'voucher', `status`, COUNT(*), 0, 0 FROM `vouchers` GROUP BY `user_id`, `status`;

INSERT INTO `user_totals`
SELECT `user_id`, 'upload', `review_status`, COUNT(*), SUM(`points_awarded`), 0
FROM `photo_reviews` GROUP BY `user_id`, `review_status`;

-- What a diner's lists are sorted by: without these the server sorted all that the diner has. The third of the vouchers
-- is for those whose time is over and whose rows do not say so yet.
ALTER TABLE `vouchers`
  ADD INDEX `vouchers_user_id_idx` (`user_id`),
  ADD INDEX `vouchers_user_id_status_expires_at_idx` (`user_id`, `status`, `expires_at`);
ALTER TABLE `exchange_orders` ADD INDEX `exchange_orders_user_id_idx` (`user_id`);
ALTER TABLE `photo_reviews`
  ADD INDEX `photo_reviews_user_id_created_at_idx` (`user_id`, `created_at`),
  ADD INDEX `photo_reviews_user_id_review_status_created_at_idx` (`user_id`, `review_status`, `created_at`),
  DROP INDEX `photo_reviews_user_id_review_status_idx`;
