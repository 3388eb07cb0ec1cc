/** What `users.status` may say. */
export type AccountStatus = 'active' | 'inactive' | 'banned'

/**
 * Whether a user may act: log in, ask, draw, order, hold a socket (contract section 2). For whom others act, such as
 * one whose order is cancelled, it does not matter.
 */
export function mayAct(status: AccountStatus, deletedAt: Date | null): boolean {
  return status === 'active' && deletedAt === null
}

/** The same as a filter of `users`. */
export const MAY_ACT = { status: 'active', deletedAt: null } as const satisfies {
  status: AccountStatus
  deletedAt: null
}
