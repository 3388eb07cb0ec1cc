-- What each user is told over /ws, written by the transaction that is its cause, and kept for a day: sockets send from
-- here, and a client that was away gets from here what it missed. `id` rises in the order of one user's commits.

CREATE TABLE `push_events` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `user_id` INTEGER NOT NULL,
  `type` VARCHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `data` MEDIUMTEXT NOT NULL,
  `created_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`id`),
  INDEX `push_events_user_id_id_idx` (`user_id`, `id`),
  INDEX `push_events_created_at_idx` (`created_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

ALTER TABLE `push_events` ADD CONSTRAINT `push_events_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
