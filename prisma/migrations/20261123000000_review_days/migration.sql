-- What the merchants' statistics are read from: one row a business day, kept up by the transactions that upload,
-- withdraw and review. Counting a million receipts at each look would take longer than the look is worth.

CREATE TABLE `review_days` (
  `day` DATE NOT NULL,
  `uploads` INTEGER NOT NULL DEFAULT 0,
  `approved` INTEGER NOT NULL DEFAULT 0,
  `rejected` INTEGER NOT NULL DEFAULT 0,
  `points_awarded` BIGINT NOT NULL DEFAULT 0,
  `wait_seconds` BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (`day`),
  CONSTRAINT `review_days_counts_check` CHECK (`uploads` >= 0 AND `approved` >= 0 AND `rejected` >= 0 AND `points_awarded` >= 0 AND `wait_seconds` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- The list of all reviews, newest first.
CREATE INDEX `photo_reviews_created_at_idx` ON `photo_reviews` (`created_at`);

-- The sweep of the storage asks for rows by the keys of their objects.
CREATE INDEX `photo_reviews_image_key_idx` ON `photo_reviews` (`image_key`);
CREATE INDEX `photo_reviews_thumbnail_key_idx` ON `photo_reviews` (`thumbnail_key`);
