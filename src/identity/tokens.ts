import jwt, { type JWT } from '@fastify/jwt'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { durationSeconds } from '../config.js'
import { maskMobile } from '../shared/mask.js'
import type { Principal, Role } from './principal.js'

/** What a token says (contract section 2). `jti` is in refresh tokens, `role` in an admin's. */
export interface Claims {
  user_id: number
  mobile: string
  is_merchant: boolean
  typ: 'access' | 'refresh'
  sid: string
  jti?: string
  role?: 'admin'
  iat: number
  exp: number
}

/** What tokens are made from. */
export interface TokenSubject {
  readonly userId: number
  readonly mobile: string
  readonly isMerchant: boolean
  readonly role: Role
  readonly sid: string
  readonly jti: string
  /** To the second: the same subject gets the same tokens. */
  readonly issuedAt: Date
}

interface TokenPair {
  access_token: string
  refresh_token: string
  expires_in: number
}

declare module '@fastify/jwt' {
  interface JWT {
    /** Under the other secret, while the secret changes. */
    previous?: JWT
  }
  interface FastifyJWT {
    payload: Claims
    user: Principal
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly tokens: {
      mint(subject: TokenSubject): TokenPair
      /** The claims of a token of that kind; undefined when it is not one of ours, or has expired. */
      read(token: string, typ: Claims['typ']): Claims | undefined
    }
  }
}

const ISSUER = 'restaurant-lottery'
/** A longer one is none of ours, and not worth a look. */
const MAX_TOKEN_LENGTH = 4096
/** What each of ours says (contract section 2); the rest of a token's fields follow from its session. */
const REQUIRED_CLAIMS: string[] = ['user_id', 'mobile', 'is_merchant', 'typ', 'sid', 'iss', 'iat', 'exp']
/** How many verified tokens are remembered, so that a signature is computed once. */
const REMEMBERED_TOKENS = 20_000

/** The claims of a token that holds, remembered by the token itself: the library's cache would reckon a hash of it. */
function rememberingVerifier(own: JWT): (token: string) => Claims | undefined {
  const remembered = new LRUCache<string, Claims>({ max: REMEMBERED_TOKENS })
  const check = (token: string, { verify }: Pick<JWT, 'verify'>): Claims | undefined => {
    try {
      return verify<Claims>(token)
    } catch {
      return undefined
    }
  }
  return (token) => {
    const known = remembered.get(token)
    if (known !== undefined) return known.exp * 1000 > Date.now() ? known : undefined
    if (token.length > MAX_TOKEN_LENGTH) return undefined
    const claims = check(token, own) ?? (own.previous && check(token, own.previous))
    if (claims !== undefined) remembered.set(token, claims)
    return claims
  }
}

/** `app.tokens`: makes tokens, and reads them by their signature alone. */
export default fp(
  async (app) => {
    const { config } = app
    const accessSeconds = durationSeconds(config.JWT_EXPIRES_IN)
    const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)
    await app.register(jwt, {
      secret: config.JWT_SECRET,
      sign: { algorithm: 'HS256', iss: ISSUER },
      verify: {
        algorithms: ['HS256'],
        allowedIss: ISSUER,
        requiredClaims: REQUIRED_CLAIMS
      }
    })
    if (config.JWT_SECRET_PREVIOUS !== undefined) {
      const { verify } = app.jwt.options
      await app.register(jwt, { namespace: 'previous', secret: config.JWT_SECRET_PREVIOUS, verify })
    }

    const verified = rememberingVerifier(app.jwt)
    app.decorate('tokens', {
      mint({ userId, mobile, isMerchant, role, sid, jti, issuedAt }) {
        const iat = Math.floor(issuedAt.getTime() / 1000)
        const common = {
          user_id: userId,
          mobile: maskMobile(mobile),
          is_merchant: isMerchant,
          sid,
          iat,
          ...(role === 'admin' ? { role } : {})
        }
        return {
          access_token: app.jwt.sign({ ...common, typ: 'access', exp: iat + accessSeconds }),
          refresh_token: app.jwt.sign({ ...common, typ: 'refresh', jti, exp: iat + refreshSeconds }),
          expires_in: accessSeconds
        }
      },
      read(token, typ) {
        const claims = verified(token)
        return claims?.typ === typ && Number.isInteger(claims.user_id) && typeof claims.sid === 'string'
          ? claims
          : undefined
      }
    })
  },
  { name: 'tokens' }
)
