-- What a diner earned and spent is summed on most of their pages: from the index alone, however long the ledger.
ALTER TABLE `points_records` ADD INDEX `points_records_user_id_type_points_idx` (`user_id`, `type`, `points`);
ALTER TABLE `points_records` DROP INDEX `points_records_user_id_type_idx`;
