-- Every draw referred to the one row of the rules that draw: engines that lock what a foreign key refers to
-- exclusively made draws queue for it. Versions are never taken away, and a draw reads the one it is made by in its own
-- transaction, from `lottery_config`, which refers to it.
ALTER TABLE `lottery_draws` DROP FOREIGN KEY `lottery_draws_rules_version_fkey`;
