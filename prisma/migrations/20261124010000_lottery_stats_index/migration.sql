-- The statistics of the wheel count the draws of a range of days by their rules version.
CREATE INDEX `lottery_draws_created_at_rules_version_idx` ON `lottery_draws` (`created_at`, `rules_version`);
