import type { FastifyInstance } from 'fastify'
import { durationSeconds } from '../../config.js'
import { refreshSession } from '../../identity/sessions.js'
import type { TokenSubject } from '../../identity/tokens.js'
import { refuse } from '../../shared/refusal.js'

/**
 * Replaces a refresh token, however it was brought: in a body, as Bearer, in the console's cookie.
 * @returns what the next tokens are made from
 * @throws Refusal TOKEN_INVALID or ACCOUNT_DISABLED
 */
export async function renewSession(
  { config, tokens, tx }: Pick<FastifyInstance, 'config' | 'tokens' | 'tx'>,
  token: string
): Promise<TokenSubject> {
  const claims = tokens.read(token, 'refresh')
  if (claims?.jti === undefined) throw refuse('TOKEN_INVALID')
  const { sid, jti } = claims
  const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)
  const outcome = await tx((uow) => refreshSession(uow, { sid, jti }, refreshSeconds))
  if (outcome === 'disabled') throw refuse('ACCOUNT_DISABLED')
  if (outcome === 'refused' || outcome === 'revoked') throw refuse('TOKEN_INVALID')
  return outcome.subject
}
