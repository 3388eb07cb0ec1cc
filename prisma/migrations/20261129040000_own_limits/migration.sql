-- A diner's own brake: what holds now, and a looser one that holds from a time on. In the row that every draw reads.
ALTER TABLE `lottery_pity`
  ADD COLUMN `own_daily` SMALLINT NULL,
  ADD COLUMN `own_pause_until` DATETIME(3) NULL,
  ADD COLUMN `next_daily` SMALLINT NULL,
  ADD COLUMN `next_pause_until` DATETIME(3) NULL,
  ADD COLUMN `next_from` DATETIME(3) NULL;
