-- Draws that anybody can check (docs/FAIRNESS.md). A diner's draws are decided in epochs, each by a seed that was
-- committed to before; where the diner is in theirs is in the row that every draw writes anyhow. Epoch 0: none yet, for
-- users from before; they get their first when they look or draw.
CREATE TABLE `fairness_epochs` (
  `user_id` INTEGER NOT NULL,
  `epoch` INTEGER NOT NULL,
  `server_seed` VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `server_seed_hash` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `client_seed` VARCHAR(64) NULL,
  `draws` INTEGER NOT NULL DEFAULT 0,
  `started_at` DATETIME(3) NULL,
  `ended_at` DATETIME(3) NULL,
  `log_index` BIGINT NULL,
  PRIMARY KEY (`user_id`, `epoch`),
  INDEX `fairness_epochs_log_index_ended_at_idx` (`log_index`, `ended_at`),
  CONSTRAINT `fairness_epochs_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`)
    ON DELETE RESTRICT ON UPDATE RESTRICT
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

ALTER TABLE `lottery_pity`
  ADD COLUMN `epoch` INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN `nonce` INTEGER NOT NULL DEFAULT 0;

-- Where a draw is in the public log; NULL until it is. By user, so that what the log still wants of one comes together.
ALTER TABLE `lottery_draws`
  ADD COLUMN `epoch` INTEGER NULL,
  ADD COLUMN `client_seed` VARCHAR(64) NULL,
  ADD COLUMN `log_index` BIGINT NULL,
  ADD INDEX `lottery_draws_log_index_user_id_idx` (`log_index`, `user_id`);

ALTER TABLE `lottery_records`
  ADD COLUMN `nonce` INTEGER NULL,
  ADD COLUMN `roll` SMALLINT NULL,
  ADD COLUMN `pity_before` SMALLINT NULL;

ALTER TABLE `lottery_rule_versions`
  ADD COLUMN `log_index` BIGINT NULL,
  ADD INDEX `lottery_rule_versions_log_index_idx` (`log_index`);

-- The log: the hash of each leaf, and of each full subtree of 256 leaves and more, by which proofs are found quickly.
CREATE TABLE `fairness_leaves` (
  `idx` BIGINT NOT NULL,
  `hash` BINARY(32) NOT NULL,
  PRIMARY KEY (`idx`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `fairness_nodes` (
  `level` TINYINT NOT NULL,
  `idx` BIGINT NOT NULL,
  `hash` BINARY(32) NOT NULL,
  PRIMARY KEY (`level`, `idx`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `fairness_checkpoints` (
  `size` BIGINT NOT NULL,
  `note` TEXT NOT NULL,
  `created_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`size`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- What the log says of each prize under each version, kept by whoever writes the log.
CREATE TABLE `fairness_tallies` (
  `version` INTEGER NOT NULL,
  `prize_id` INTEGER NOT NULL,
  `chance` BIGINT NOT NULL,
  `forced` BIGINT NOT NULL,
  PRIMARY KEY (`version`, `prize_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
