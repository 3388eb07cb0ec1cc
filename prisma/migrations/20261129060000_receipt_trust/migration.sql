-- Evidence: what a receipt looks like (`phash` is the difference hash of old, which compares with nothing, where its
-- version is 0), and when it was compared with others. Until then it waits in the index.
ALTER TABLE `photo_reviews`
  MODIFY COLUMN `review_status` ENUM('pending', 'approved', 'rejected', 'revoked') NOT NULL DEFAULT 'pending',
  ADD COLUMN `phash_version` TINYINT NOT NULL DEFAULT 0,
  ADD COLUMN `compared_at` DATETIME(3) NULL,
  ADD INDEX `photo_reviews_sha256_idx` (`sha256`),
  ADD INDEX `photo_reviews_review_time_idx` (`review_time`),
  ADD INDEX `photo_reviews_compared_at_created_at_idx` (`compared_at`, `created_at`);

-- The four 16-bit parts of a hash, each to be found by what it is; the whole hash beside it, so that the index answers.
CREATE TABLE `picture_bands` (
  `band` TINYINT NOT NULL,
  `part` SMALLINT NOT NULL,
  `upload_id` VARCHAR(50) NOT NULL,
  `hash` BIGINT NOT NULL,
  `created_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`band`, `part`, `upload_id`),
  INDEX `picture_bands_upload_id_idx` (`upload_id`),
  INDEX `picture_bands_created_at_idx` (`created_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- Two receipts that have something in common: a pair once, the greater id first.
CREATE TABLE `photo_matches` (
  `upload_id` VARCHAR(50) NOT NULL,
  `other_id` VARCHAR(50) NOT NULL,
  `kind` ENUM('same_file', 'similar_picture', 'same_amount') NOT NULL,
  `distance` TINYINT NULL,
  `created_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`upload_id`, `other_id`, `kind`),
  INDEX `photo_matches_other_id_idx` (`other_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- One appeal a receipt, with the decision that it is against.
CREATE TABLE `photo_appeals` (
  `upload_id` VARCHAR(50) NOT NULL,
  `user_id` INTEGER NOT NULL,
  `message` VARCHAR(500) NOT NULL,
  `amount` DECIMAL(10, 2) NULL,
  `status` ENUM('open', 'upheld', 'overturned', 'void') NOT NULL DEFAULT 'open',
  `first_status` ENUM('pending', 'approved', 'rejected', 'revoked') NOT NULL,
  `first_amount` DECIMAL(10, 2) NULL,
  `first_points` INTEGER NOT NULL,
  `first_reason` TEXT NULL,
  `first_reason_code`
    ENUM('unreadable', 'not_a_receipt', 'other_store', 'too_old', 'already_used', 'amount_mismatch', 'other') NULL,
  `decider_id` INTEGER NULL,
  `decided_at` DATETIME(3) NULL,
  `reason` VARCHAR(500) NULL,
  `created_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`upload_id`),
  INDEX `photo_appeals_status_created_at_upload_id_idx` (`status`, `created_at`, `upload_id`),
  INDEX `photo_appeals_created_at_upload_id_idx` (`created_at`, `upload_id`),
  CONSTRAINT `photo_appeals_upload_id_fkey` FOREIGN KEY (`upload_id`) REFERENCES `photo_reviews` (`upload_id`)
    ON DELETE RESTRICT ON UPDATE RESTRICT
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- What is taken back of a receipt, and what of it is still owed.
ALTER TABLE `users`
  ADD COLUMN `points_debt` INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT `users_points_debt_check` CHECK (`points_debt` >= 0);
ALTER TABLE `points_records` MODIFY COLUMN `source` ENUM('register', 'lottery', 'lottery_prize', 'exchange', 'refund',
  'photo_review', 'admin', 'clawback', 'debt_payment') NOT NULL;
ALTER TABLE `review_days` ADD COLUMN `revoked` INTEGER NOT NULL DEFAULT 0;
