-- Whose tries at a code count where: the address that asked for it has its own, all others share some; and each address
-- has its own count of codes asked for, so that a stranger uses up neither an owner's tries nor an owner's day.

ALTER TABLE `verification_codes`
  DROP CONSTRAINT `verification_codes_day_count_check`,
  DROP COLUMN `sent_day`,
  DROP COLUMN `day_count`,
  ADD COLUMN `asked_from` VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER `code_hmac`,
  ADD COLUMN `other_attempts` TINYINT NOT NULL DEFAULT 0 AFTER `attempts`,
  ADD CONSTRAINT `verification_codes_other_attempts_check` CHECK (`other_attempts` >= 0);

CREATE TABLE `code_requests` (
  `mobile` VARCHAR(11) NOT NULL,
  `address` VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `day` DATE NOT NULL,
  `day_count` INTEGER NOT NULL,
  PRIMARY KEY (`mobile`, `address`),
  INDEX `code_requests_day_idx` (`day`),
  CONSTRAINT `code_requests_day_count_check` CHECK (`day_count` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
