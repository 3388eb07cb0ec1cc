-- Every table of the product, empty. Checks back the invariants that the code keeps first:
-- a balance or a stock below zero is refused by the database too.
-- Identifiers and hashes are ASCII with a binary collation: short keys, compared byte by byte.

CREATE TABLE `users` (
  `user_id` INTEGER NOT NULL AUTO_INCREMENT,
  `mobile` VARCHAR(11) NOT NULL,
  `nickname` VARCHAR(50) NOT NULL DEFAULT '',
  `avatar` VARCHAR(255) NOT NULL DEFAULT '',
  `total_points` INTEGER NOT NULL DEFAULT 0,
  `status` ENUM('active', 'inactive', 'banned') NOT NULL DEFAULT 'active',
  `is_merchant` BOOLEAN NOT NULL DEFAULT false,
  `wx_openid` VARCHAR(50) NULL,
  `last_login` DATETIME(3) NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  `updated_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  `deleted_at` DATETIME(3) NULL,
  PRIMARY KEY (`user_id`),
  UNIQUE INDEX `users_mobile_key` (`mobile`),
  UNIQUE INDEX `users_wx_openid_key` (`wx_openid`),
  INDEX `users_status_is_merchant_idx` (`status`, `is_merchant`),
  CONSTRAINT `users_points_check` CHECK (`total_points` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `points_records` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `user_id` INTEGER NOT NULL,
  `points` INTEGER NOT NULL,
  `balance_after` INTEGER NOT NULL,
  `type` ENUM('earn', 'spend') NOT NULL,
  `source` ENUM('register', 'lottery', 'lottery_prize', 'exchange', 'refund', 'photo_review', 'admin') NOT NULL,
  `description` VARCHAR(255) NOT NULL DEFAULT '',
  `related_id` VARCHAR(64) NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`id`),
  INDEX `points_records_user_id_idx` (`user_id`),
  INDEX `points_records_user_id_type_idx` (`user_id`, `type`),
  INDEX `points_records_user_id_source_idx` (`user_id`, `source`),
  CONSTRAINT `points_records_balance_check` CHECK (`balance_after` >= 0),
  CONSTRAINT `points_records_sign_check` CHECK ((`type` = 'earn' AND `points` > 0) OR (`type` = 'spend' AND `points` < 0))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `lottery_settings` (
  `prize_id` INTEGER NOT NULL,
  `prize_name` VARCHAR(50) NOT NULL,
  `prize_type` ENUM('points', 'coupon', 'physical', 'empty') NOT NULL,
  `prize_value` DECIMAL(10, 2) NOT NULL,
  `value_yuan` DECIMAL(10, 2) NOT NULL DEFAULT 0,
  `angle` SMALLINT NOT NULL,
  `color` VARCHAR(7) NOT NULL,
  `probability` DECIMAL(5, 4) NOT NULL,
  `is_activity` BOOLEAN NOT NULL DEFAULT false,
  `is_active` BOOLEAN NOT NULL DEFAULT true,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  `updated_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`prize_id`),
  CONSTRAINT `lottery_settings_probability_check` CHECK (`probability` >= 0 AND `probability` <= 1),
  CONSTRAINT `lottery_settings_angle_check` CHECK (`angle` >= 0 AND `angle` < 360)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `lottery_config` (
  `id` TINYINT NOT NULL DEFAULT 1,
  `version` INTEGER NOT NULL,
  `is_active` BOOLEAN NOT NULL DEFAULT true,
  `cost_points` INTEGER NOT NULL DEFAULT 100,
  `daily_limit` INTEGER NOT NULL DEFAULT 50,
  `pity_limit` INTEGER NOT NULL DEFAULT 10,
  `pity_prize_id` INTEGER NOT NULL,
  `updated_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`id`),
  INDEX `lottery_config_version_idx` (`version`),
  CONSTRAINT `lottery_config_one_row_check` CHECK (`id` = 1),
  CONSTRAINT `lottery_config_cost_check` CHECK (`cost_points` > 0),
  CONSTRAINT `lottery_config_daily_limit_check` CHECK (`daily_limit` > 0),
  CONSTRAINT `lottery_config_pity_limit_check` CHECK (`pity_limit` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `lottery_rule_versions` (
  `version` INTEGER NOT NULL,
  `snapshot` MEDIUMTEXT NOT NULL,
  `sha256` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `valid_from` DATETIME(3) NOT NULL,
  `created_by` INTEGER NULL,
  PRIMARY KEY (`version`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `lottery_pity` (
  `user_id` INTEGER NOT NULL,
  `current_count` INTEGER NOT NULL DEFAULT 0,
  `pity_triggered_count` INTEGER NOT NULL DEFAULT 0,
  `last_draw_time` DATETIME(3) NULL,
  `draw_day` DATE NULL,
  `day_count` INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (`user_id`),
  CONSTRAINT `lottery_pity_counts_check` CHECK (`current_count` >= 0 AND `pity_triggered_count` >= 0 AND `day_count` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `lottery_draws` (
  `draw_id` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` INTEGER NOT NULL,
  `draw_type` ENUM('single', 'triple', 'five', 'ten') NOT NULL,
  `draw_count` TINYINT NOT NULL,
  `total_cost` INTEGER NOT NULL,
  `points_awarded` INTEGER NOT NULL,
  `rules_version` INTEGER NOT NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`draw_id`),
  INDEX `lottery_draws_user_id_idx` (`user_id`),
  INDEX `lottery_draws_rules_version_idx` (`rules_version`),
  CONSTRAINT `lottery_draws_count_check` CHECK (`draw_count` IN (1, 3, 5, 10)),
  CONSTRAINT `lottery_draws_amounts_check` CHECK (`total_cost` >= 0 AND `points_awarded` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `lottery_records` (
  `record_id` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `draw_id` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` INTEGER NOT NULL,
  `sequence` TINYINT NOT NULL,
  `draw_type` ENUM('single', 'triple', 'five', 'ten') NOT NULL,
  `prize_id` INTEGER NOT NULL,
  `prize_name` VARCHAR(50) NOT NULL,
  `prize_type` ENUM('points', 'coupon', 'physical', 'empty') NOT NULL,
  `prize_value` DECIMAL(10, 2) NOT NULL,
  `points_cost` INTEGER NOT NULL,
  `points_awarded` INTEGER NOT NULL DEFAULT 0,
  `is_pity` BOOLEAN NOT NULL DEFAULT false,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`record_id`),
  INDEX `lottery_records_user_id_idx` (`user_id`),
  INDEX `lottery_records_user_id_draw_type_idx` (`user_id`, `draw_type`),
  INDEX `lottery_records_user_id_prize_type_idx` (`user_id`, `prize_type`),
  UNIQUE INDEX `lottery_records_draw_id_sequence_key` (`draw_id`, `sequence`),
  CONSTRAINT `lottery_records_amounts_check` CHECK (`points_cost` >= 0 AND `points_awarded` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `commodity_pool` (
  `commodity_id` INTEGER NOT NULL AUTO_INCREMENT,
  `name` VARCHAR(100) NOT NULL,
  `description` TEXT NOT NULL,
  `category` VARCHAR(50) NOT NULL,
  `exchange_points` INTEGER NOT NULL,
  `stock` INTEGER NOT NULL DEFAULT 0,
  `image` VARCHAR(500) NOT NULL DEFAULT '',
  `is_hot` BOOLEAN NOT NULL DEFAULT false,
  `sort_order` INTEGER NOT NULL DEFAULT 0,
  `rating` DECIMAL(2, 1) NOT NULL DEFAULT 5,
  `sales_count` INTEGER NOT NULL DEFAULT 0,
  `status` ENUM('available', 'unavailable') NOT NULL DEFAULT 'available',
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  `updated_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  `deleted_at` DATETIME(3) NULL,
  PRIMARY KEY (`commodity_id`),
  INDEX `commodity_pool_category_status_idx` (`category`, `status`),
  INDEX `commodity_pool_status_is_hot_idx` (`status`, `is_hot`),
  CONSTRAINT `commodity_pool_stock_check` CHECK (`stock` >= 0),
  CONSTRAINT `commodity_pool_points_check` CHECK (`exchange_points` > 0),
  CONSTRAINT `commodity_pool_rating_check` CHECK (`rating` >= 0 AND `rating` <= 5),
  CONSTRAINT `commodity_pool_sales_check` CHECK (`sales_count` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `exchange_orders` (
  `order_id` BIGINT NOT NULL AUTO_INCREMENT,
  `order_no` VARCHAR(32) NOT NULL,
  `user_id` INTEGER NOT NULL,
  `commodity_id` INTEGER NOT NULL,
  `product_name` VARCHAR(100) NOT NULL,
  `category` VARCHAR(50) NOT NULL,
  `image` VARCHAR(500) NOT NULL DEFAULT '',
  `quantity` INTEGER NOT NULL,
  `unit_points` INTEGER NOT NULL,
  `total_points` INTEGER NOT NULL,
  `status` ENUM('pending', 'confirmed', 'shipped', 'completed', 'cancelled') NOT NULL DEFAULT 'pending',
  `delivery_info` TEXT NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  `confirmed_at` DATETIME(3) NULL,
  `shipped_at` DATETIME(3) NULL,
  `completed_at` DATETIME(3) NULL,
  `cancelled_at` DATETIME(3) NULL,
  PRIMARY KEY (`order_id`),
  UNIQUE INDEX `exchange_orders_order_no_key` (`order_no`),
  INDEX `exchange_orders_user_id_status_idx` (`user_id`, `status`),
  INDEX `exchange_orders_status_created_at_idx` (`status`, `created_at`),
  INDEX `exchange_orders_commodity_id_idx` (`commodity_id`),
  CONSTRAINT `exchange_orders_quantity_check` CHECK (`quantity` > 0),
  CONSTRAINT `exchange_orders_points_check` CHECK (`total_points` = `unit_points` * `quantity`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `vouchers` (
  `voucher_id` BIGINT NOT NULL AUTO_INCREMENT,
  `user_id` INTEGER NOT NULL,
  `code_hmac` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `code_enc` VARCHAR(255) NOT NULL,
  `title` VARCHAR(100) NOT NULL,
  `kind` ENUM('coupon', 'physical', 'product') NOT NULL,
  `source` ENUM('lottery', 'exchange') NOT NULL,
  `record_id` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  `order_id` BIGINT NULL,
  `status` ENUM('unused', 'used', 'expired', 'cancelled') NOT NULL DEFAULT 'unused',
  `issued_at` DATETIME(3) NOT NULL,
  `expires_at` DATETIME(3) NOT NULL,
  `used_at` DATETIME(3) NULL,
  `used_by` INTEGER NULL,
  PRIMARY KEY (`voucher_id`),
  UNIQUE INDEX `vouchers_code_hmac_key` (`code_hmac`),
  UNIQUE INDEX `vouchers_record_id_key` (`record_id`),
  UNIQUE INDEX `vouchers_order_id_key` (`order_id`),
  INDEX `vouchers_user_id_status_idx` (`user_id`, `status`),
  INDEX `vouchers_status_expires_at_idx` (`status`, `expires_at`),
  CONSTRAINT `vouchers_cause_check` CHECK ((`record_id` IS NULL) <> (`order_id` IS NULL))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `photo_reviews` (
  `upload_id` VARCHAR(50) NOT NULL,
  `user_id` INTEGER NOT NULL,
  `image_url` VARCHAR(500) NOT NULL,
  `thumbnail_url` VARCHAR(500) NOT NULL,
  `image_key` VARCHAR(255) NOT NULL,
  `thumbnail_key` VARCHAR(255) NOT NULL,
  `amount` DECIMAL(10, 2) NOT NULL,
  `actual_amount` DECIMAL(10, 2) NULL,
  `description` VARCHAR(500) NOT NULL DEFAULT '',
  `review_status` ENUM('pending', 'approved', 'rejected') NOT NULL DEFAULT 'pending',
  `review_reason` TEXT NULL,
  `reviewer_id` INTEGER NULL,
  `review_time` DATETIME(3) NULL,
  `points_awarded` INTEGER NOT NULL DEFAULT 0,
  `points_rate` INTEGER NOT NULL,
  `points_min` INTEGER NOT NULL,
  `points_max` INTEGER NOT NULL,
  `original_filename` VARCHAR(255) NOT NULL DEFAULT '',
  `file_size` INTEGER NOT NULL,
  `sha256` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `phash` CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  `updated_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`upload_id`),
  INDEX `photo_reviews_user_id_review_status_idx` (`user_id`, `review_status`),
  INDEX `photo_reviews_review_status_created_at_idx` (`review_status`, `created_at`),
  INDEX `photo_reviews_reviewer_id_review_time_idx` (`reviewer_id`, `review_time`),
  CONSTRAINT `photo_reviews_amount_check` CHECK (`amount` > 0),
  CONSTRAINT `photo_reviews_points_check` CHECK (`points_awarded` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `merchant_applications` (
  `application_id` INTEGER NOT NULL AUTO_INCREMENT,
  `user_id` INTEGER NOT NULL,
  `business_name` VARCHAR(100) NOT NULL,
  `contact_person` VARCHAR(50) NOT NULL,
  `contact_phone` VARCHAR(255) NOT NULL,
  `business_license` VARCHAR(500) NULL,
  `business_address` VARCHAR(255) NULL,
  `reason` VARCHAR(500) NULL,
  `status` ENUM('pending', 'approved', 'rejected') NOT NULL DEFAULT 'pending',
  `decided_by` INTEGER NULL,
  `decided_at` DATETIME(3) NULL,
  `reject_reason` VARCHAR(500) NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`application_id`),
  INDEX `merchant_applications_user_id_idx` (`user_id`),
  INDEX `merchant_applications_status_created_at_idx` (`status`, `created_at`),
  INDEX `merchant_applications_decided_by_idx` (`decided_by`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `admin_users` (
  `admin_id` INTEGER NOT NULL AUTO_INCREMENT,
  `username` VARCHAR(50) NOT NULL,
  `password_hash` VARCHAR(72) NOT NULL,
  `role` VARCHAR(20) NOT NULL DEFAULT 'admin',
  `user_id` INTEGER NOT NULL,
  `recent_failures` VARCHAR(255) NOT NULL DEFAULT '[]',
  `locked_until` DATETIME(3) NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`admin_id`),
  UNIQUE INDEX `admin_users_username_key` (`username`),
  UNIQUE INDEX `admin_users_user_id_key` (`user_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `login_logs` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `method` ENUM('sms', 'wechat', 'admin') NOT NULL,
  `account` VARCHAR(50) NOT NULL,
  `user_id` INTEGER NULL,
  `success` BOOLEAN NOT NULL,
  `error` VARCHAR(40) NULL,
  `ip` VARCHAR(45) NOT NULL,
  `user_agent` VARCHAR(255) NOT NULL DEFAULT '',
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`id`),
  INDEX `login_logs_user_id_idx` (`user_id`),
  INDEX `login_logs_created_at_idx` (`created_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `audit_logs` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `actor_id` INTEGER NOT NULL,
  `action` VARCHAR(50) NOT NULL,
  `target_type` VARCHAR(30) NOT NULL,
  `target_id` VARCHAR(64) NOT NULL,
  `before` MEDIUMTEXT NULL,
  `after` MEDIUMTEXT NULL,
  `reason` VARCHAR(500) NULL,
  `ip` VARCHAR(45) NOT NULL DEFAULT '',
  `request_id` VARCHAR(64) NOT NULL DEFAULT '',
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`id`),
  INDEX `audit_logs_actor_id_idx` (`actor_id`),
  INDEX `audit_logs_target_type_target_id_idx` (`target_type`, `target_id`),
  INDEX `audit_logs_action_idx` (`action`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `sessions` (
  `sid` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` INTEGER NOT NULL,
  `role` ENUM('user', 'admin') NOT NULL DEFAULT 'user',
  `refresh_jti` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `refresh_issued_at` DATETIME(3) NOT NULL,
  `previous_jti` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  `expires_at` DATETIME(3) NOT NULL,
  `revoked_at` DATETIME(3) NULL,
  `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (`sid`),
  INDEX `sessions_user_id_idx` (`user_id`),
  INDEX `sessions_expires_at_idx` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `verification_codes` (
  `mobile` VARCHAR(11) NOT NULL,
  `code_hmac` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `attempts` TINYINT NOT NULL DEFAULT 0,
  `sent_at` DATETIME(3) NOT NULL,
  `expires_at` DATETIME(3) NOT NULL,
  `consumed_at` DATETIME(3) NULL,
  PRIMARY KEY (`mobile`),
  INDEX `verification_codes_expires_at_idx` (`expires_at`),
  CONSTRAINT `verification_codes_attempts_check` CHECK (`attempts` >= 0)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `idempotency_keys` (
  `user_id` INTEGER NOT NULL,
  `idem_key` VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `request_hash` CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `response` MEDIUMTEXT NOT NULL,
  `created_at` DATETIME(3) NOT NULL,
  `expires_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`user_id`, `idem_key`),
  INDEX `idempotency_keys_expires_at_idx` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

ALTER TABLE `points_records` ADD CONSTRAINT `points_records_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `lottery_config` ADD CONSTRAINT `lottery_config_version_fkey` FOREIGN KEY (`version`) REFERENCES `lottery_rule_versions` (`version`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `lottery_pity` ADD CONSTRAINT `lottery_pity_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `lottery_draws` ADD CONSTRAINT `lottery_draws_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `lottery_draws` ADD CONSTRAINT `lottery_draws_rules_version_fkey` FOREIGN KEY (`rules_version`) REFERENCES `lottery_rule_versions` (`version`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `lottery_records` ADD CONSTRAINT `lottery_records_draw_id_fkey` FOREIGN KEY (`draw_id`) REFERENCES `lottery_draws` (`draw_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `lottery_records` ADD CONSTRAINT `lottery_records_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `exchange_orders` ADD CONSTRAINT `exchange_orders_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `exchange_orders` ADD CONSTRAINT `exchange_orders_commodity_id_fkey` FOREIGN KEY (`commodity_id`) REFERENCES `commodity_pool` (`commodity_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `vouchers` ADD CONSTRAINT `vouchers_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `vouchers` ADD CONSTRAINT `vouchers_record_id_fkey` FOREIGN KEY (`record_id`) REFERENCES `lottery_records` (`record_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `vouchers` ADD CONSTRAINT `vouchers_order_id_fkey` FOREIGN KEY (`order_id`) REFERENCES `exchange_orders` (`order_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `photo_reviews` ADD CONSTRAINT `photo_reviews_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `photo_reviews` ADD CONSTRAINT `photo_reviews_reviewer_id_fkey` FOREIGN KEY (`reviewer_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `merchant_applications` ADD CONSTRAINT `merchant_applications_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `merchant_applications` ADD CONSTRAINT `merchant_applications_decided_by_fkey` FOREIGN KEY (`decided_by`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `admin_users` ADD CONSTRAINT `admin_users_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `sessions` ADD CONSTRAINT `sessions_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE `idempotency_keys` ADD CONSTRAINT `idempotency_keys_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`user_id`) ON DELETE RESTRICT ON UPDATE RESTRICT;
