-- Who does what one instance at a time may do: a row names its holder, and ends by itself when the holder is gone.

CREATE TABLE `leases` (
  `name` VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `holder` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `expires_at` DATETIME(3) NOT NULL,
  PRIMARY KEY (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
