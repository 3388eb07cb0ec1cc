import { randomInt } from 'node:crypto'
import * as mariadb from 'mariadb'
import { TOTAL_WEIGHT } from '../../../src/domains/lottery/prize.js'
import { pickPrize, type Rules } from '../../../src/domains/lottery/rules.js'
import { expiryOf, newVoucherCode } from '../../../src/domains/voucher/rules.js'
import { codeHmac } from '../../../src/domains/voucher/vouchers.js'
import { risingId } from '../../../src/shared/ids.js'
import { businessDay } from '../../../src/shared/time.js'
import { type BaselineOptions, type Drawer, pushedLines } from './baseline.js'
import { poolOptions } from './pool.js'

/** Stands for the balance in what the diner is told: the procedure alone knows it. */
const UNKNOWN = 1_999_999_999

/**
 * All of a draw but the dice. Node rolls them, knows the rules and makes the code; the procedure locks, checks,
 * decides by the guarantee and writes: the least work that one call can be. What the diner is told it keeps in clear,
 * since it cannot encrypt as Node does.
 */
const PROCEDURE = `
CREATE OR REPLACE PROCEDURE bench_draw(
  IN v_user INT, IN v_now DATETIME(3), IN v_day DATE, IN v_expires DATETIME(3),
  IN v_cost INT, IN v_daily_limit INT, IN v_pity_limit INT, IN v_version INT,
  IN v_draw CHAR(36) CHARACTER SET ascii, IN v_record CHAR(36) CHARACTER SET ascii,
  IN v_hmac CHAR(64) CHARACTER SET ascii, IN v_enc VARCHAR(255),
  IN v_prize INT, IN v_name VARCHAR(50), IN v_type VARCHAR(10), IN v_value DECIMAL(10, 2),
  IN v_pity_prize INT, IN v_pity_name VARCHAR(50), IN v_pity_type VARCHAR(10), IN v_pity_value DECIMAL(10, 2),
  IN v_told TEXT, IN v_pity_told TEXT
)
BEGIN
  DECLARE v_points, v_seq, v_count, v_triggered, v_used INT;
  DECLARE v_status VARCHAR(10);
  DECLARE v_deleted DATETIME(3);
  DECLARE v_forced BOOLEAN;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
  SELECT u.total_points, u.ledger_seq, u.status, u.deleted_at, p.current_count, p.pity_triggered_count,
      IF(p.draw_day = v_day, p.day_count, 0)
    INTO v_points, v_seq, v_status, v_deleted, v_count, v_triggered, v_used
    FROM users AS u JOIN lottery_pity AS p ON p.user_id = u.user_id WHERE u.user_id = v_user FOR UPDATE;
  IF v_status <> 'active' OR v_deleted IS NOT NULL THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'disabled'; END IF;
  IF v_used + 1 > v_daily_limit THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'limit'; END IF;
  IF v_points < v_cost THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'points'; END IF;
  SET v_forced = v_pity_limit > 0 AND v_count >= v_pity_limit - 1;
  IF v_forced THEN
    SET v_prize = v_pity_prize, v_name = v_pity_name, v_type = v_pity_type, v_value = v_pity_value,
      v_told = v_pity_told;
  END IF;
  UPDATE users AS u JOIN lottery_pity AS p ON p.user_id = u.user_id
    SET u.total_points = u.total_points - v_cost, u.ledger_seq = v_seq + 1, u.push_seq = u.push_seq + 1,
      p.current_count = IF(v_prize = v_pity_prize, 0, v_count + 1), p.pity_triggered_count = v_triggered + v_forced,
      p.last_draw_time = v_now, p.draw_day = v_day, p.day_count = v_used + 1
    WHERE u.user_id = v_user;
  INSERT INTO points_records
      (user_id, seq, points, balance_after, type, source, description, related_id, hash, created_at)
    VALUES (v_user, v_seq + 1, -v_cost, v_points - v_cost, 'spend', 'lottery', '抽奖1次', v_draw, '', v_now);
  INSERT INTO lottery_draws
      (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version, created_at)
    VALUES (v_draw, v_user, 'single', 1, v_cost, 0, v_version, v_now);
  INSERT INTO lottery_records (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name, prize_type,
      prize_value, points_cost, points_awarded, is_pity, created_at)
    VALUES (v_record, v_draw, v_user, 1, 'single', v_prize, v_name, v_type, v_value, v_cost, 0, v_forced, v_now);
  IF v_type IN ('coupon', 'physical') THEN
    INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, record_id, issued_at, expires_at)
      VALUES (v_user, v_hmac, v_enc, v_name, v_type, 'lottery', v_record, v_now, v_expires);
  END IF;
  INSERT INTO push_events (user_id, seq, data, created_at)
    SELECT user_id, push_seq, REPLACE(v_told, ':${UNKNOWN},', CONCAT(':', v_points - v_cost, ',')), v_now
    FROM users WHERE user_id = v_user;
  COMMIT;
END`

/** A draw as one call of a stored procedure: the fastest that one transaction a draw gets. */
export async function procedureDrawer(options: BaselineOptions): Promise<Drawer> {
  const { rules, version, cipher } = options
  const pool = mariadb.createPool(poolOptions(options))
  await pool.query(PROCEDURE)
  const guaranteed = rules.prizes.find((prize) => prize.id === rules.pityPrizeId)
  if (guaranteed === undefined) throw new Error('the pity prize is on the wheel')
  const call = `CALL bench_draw(${Array(22).fill('?').join(', ')})`
  return {
    close: () => pool.end(),
    async draw(userId) {
      const now = new Date()
      const code = newVoucherCode((below) => randomInt(below))
      const roll = randomInt(TOTAL_WEIGHT)
      const prize = pickPrize(rules.prizes, roll)
      const [drawId, recordId, cost] = [risingId(), risingId(), rules.costPoints]
      const pushesOf = (given: Rules['prizes'][number], isPity: boolean) =>
        pushedLines(
          { userId, drawId, balance: UNKNOWN, cost, now },
          { recordId, code, prize: given, isPity, roll, pityBefore: 0 },
          cipher
        )
      await pool.execute(call, [
        userId,
        now,
        businessDay(now, 'Asia/Shanghai'),
        expiryOf(now, 30),
        cost,
        rules.dailyLimit,
        rules.pityLimit,
        version,
        drawId,
        recordId,
        codeHmac(cipher, code),
        cipher.encrypt(code),
        prize.id,
        prize.name,
        prize.type,
        prize.value,
        guaranteed.id,
        guaranteed.name,
        guaranteed.type,
        guaranteed.value,
        pushesOf(prize, false),
        pushesOf(guaranteed, true)
      ])
    }
  }
}
