import type { PrivilegedWork } from '../../engine/unit-of-work.js'

/** What somebody did by right of office. */
interface Act {
  /** Noun and verb, such as `user.ban`. */
  readonly action: string
  readonly targetType: 'user' | 'review' | 'application' | 'product' | 'order' | 'voucher' | 'lottery_config'
  readonly targetId: string | number
  /** What the act changed, as it was and as it is now; never a secret or a whole mobile. */
  readonly before?: object
  readonly after?: object
  readonly reason?: string | undefined
}

/** Writes down a privileged act, in its transaction: there is no act without its row, and no row without its act. */
export async function recordAct({ tx, actor, now }: PrivilegedWork, act: Act): Promise<void> {
  await tx.auditLog.create({
    data: {
      actorId: actor.userId,
      action: act.action,
      targetType: act.targetType,
      targetId: String(act.targetId),
      before: act.before === undefined ? null : JSON.stringify(act.before),
      after: act.after === undefined ? null : JSON.stringify(act.after),
      reason: act.reason ?? null,
      ip: actor.ip.slice(0, 45),
      requestId: actor.requestId,
      createdAt: now
    }
  })
}
