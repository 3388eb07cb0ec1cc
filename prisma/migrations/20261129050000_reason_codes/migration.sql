-- Why a receipt was rejected, as a code; NULL where it was not, or before there were codes. And how often each, by day.
ALTER TABLE `photo_reviews` ADD COLUMN `reason_code`
  ENUM('unreadable', 'not_a_receipt', 'other_store', 'too_old', 'already_used', 'amount_mismatch', 'other') NULL;

CREATE TABLE `review_reasons` (
  `day` DATE NOT NULL,
  `reason_code`
    ENUM('unreadable', 'not_a_receipt', 'other_store', 'too_old', 'already_used', 'amount_mismatch', 'other') NOT NULL,
  `total` INTEGER NOT NULL,
  PRIMARY KEY (`day`, `reason_code`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
