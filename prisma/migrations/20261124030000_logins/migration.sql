-- How many codes a mobile was sent on a business day: ten at the most, whichever instance sends them.
ALTER TABLE `verification_codes`
  ADD COLUMN `sent_day` DATE NULL,
  ADD COLUMN `day_count` INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT `verification_codes_day_count_check` CHECK (`day_count` >= 0);

-- Two openids may differ in nothing but the case of a letter, and are two people.
ALTER TABLE `users` MODIFY COLUMN `wx_openid` VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin NULL;
