import type { FastifyRequest } from 'fastify'
import type { Actor } from '../engine/unit-of-work.js'
import type { ErrorName } from '../shared/catalogue.js'

/** What an account may do besides what every diner may. An admin's token is good for every route. */
export type Role = 'user' | 'admin'

/** Who a request or a socket comes from. */
export interface Principal {
  readonly userId: number
  readonly sid: string
  readonly isMerchant: boolean
  readonly role: Role
  /** End of the access token, in seconds since 1970. */
  readonly expiresAt: number
}

/** Whom a route is for: `public` needs no token. */
export type Access = 'public' | 'user' | 'merchant' | 'admin'

/** Why somebody may not use a route that is for others; undefined where they may. */
export function accessFault(
  access: Access | undefined,
  { role, isMerchant }: Pick<Principal, 'role' | 'isMerchant'>
): ErrorName | undefined {
  if (role === 'admin') return undefined
  if (access === 'admin') return 'FORBIDDEN'
  return access === 'merchant' && !isMerchant ? 'MERCHANT_REQUIRED' : undefined
}

/** Who acts by a request, for the audit. */
export function actorOf({ user, ip, id }: Pick<FastifyRequest, 'user' | 'ip' | 'id'>): Actor {
  return { userId: user.userId, ip, requestId: id }
}
