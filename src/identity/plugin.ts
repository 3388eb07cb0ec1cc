import jwt, { type JWT } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { durationSeconds } from '../config.js'
import type { Actor } from '../domains/audit/audit.js'
import { maskMobile } from '../shared/mask.js'
import { refuse } from '../shared/refusal.js'

/** Who a request comes from. */
export interface SignedIn {
  readonly userId: number
  readonly sid: string
  readonly isMerchant: boolean
  readonly role: 'user' | 'admin'
  /** End of the access token, in seconds since 1970. */
  readonly expiresAt: number
}

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
  readonly role: 'user' | 'admin'
  readonly sid: string
  readonly jti: string
  /** To the second: the same subject gets the same tokens. */
  readonly issuedAt: Date
}

export interface TokenPair {
  access_token: string
  refresh_token: string
  expires_in: number
}

/** A session and its user, as the database has them. */
interface SessionState {
  readonly userId: number
  readonly role: 'user' | 'admin'
  readonly isMerchant: boolean
  readonly valid: boolean
  readonly disabled: boolean
}

declare module '@fastify/jwt' {
  interface JWT {
    /** Under the other secret, while the secret changes. */
    previous?: JWT
  }
  interface FastifyJWT {
    payload: Claims
    user: SignedIn
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly identity: {
      mint(subject: TokenSubject): TokenPair
      /** The claims of a token of that kind; undefined when it is not one of ours, or has expired. */
      read(token: string, typ: Claims['typ']): Claims | undefined
      /**
       * @param claims of that token, when its signature was checked before
       * @throws Refusal TOKEN_MISSING, TOKEN_INVALID or ACCOUNT_DISABLED
       */
      authenticate(token: string | undefined, claims?: Claims): Promise<SignedIn>
    }
  }
  interface FastifyRequest {
    /** From the Bearer token, its signature checked but its session not yet. */
    claims: Claims | undefined
    /**
     * For whoever reads a form: to be called with the fields so far before a file is read, and at the end. Where the
     * route takes a token from its form and the request has none in its header, it signs the request in.
     * @throws Refusal as `authenticate` does, or RATE_LIMITED
     */
    signInByForm(fields: ReadonlyMap<string, string>): Promise<void>
  }
  interface FastifyContextConfig {
    /**
     * `public` needs no token; whatever says nothing needs one. `merchant` wants a merchant's, `admin` an admin's,
     * whose token is good for every route.
     */
    access?: 'public' | 'user' | 'merchant' | 'admin'
    /**
     * A field of the route's form whose token stands in for a missing Authorization header. Such a request reaches
     * its handler before anyone is signed in: `request.user` is there once the form is read.
     */
    tokenField?: string
  }
}

const ISSUER = 'restaurant-lottery'
/**
 * How long a session's state is believed. A change that the bus tells of is seen at once; one made in Prisma Studio,
 * or by another instance while Redis is unset or away, within this time (contract section 2 allows 30 s).
 */
const BELIEVE_MS = 10_000
const MAX_SESSIONS = 50_000

/** Who acts by a request, for the audit. */
export function actorOf({ user, ip, id }: Pick<FastifyRequest, 'user' | 'ip' | 'id'>): Actor {
  return { userId: user.userId, ip, requestId: id }
}

/** The token in an `Authorization: Bearer …` header. */
export function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '')?.[1]
}

export default fp(
  async (app) => {
    const { config } = app
    const accessSeconds = durationSeconds(config.JWT_EXPIRES_IN)
    const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)
    await app.register(jwt, {
      secret: config.JWT_SECRET,
      sign: { algorithm: 'HS256', iss: ISSUER },
      verify: { algorithms: ['HS256'], allowedIss: ISSUER, cache: MAX_SESSIONS }
    })
    if (config.JWT_SECRET_PREVIOUS !== undefined) {
      const { verify } = app.jwt.options
      await app.register(jwt, { namespace: 'previous', secret: config.JWT_SECRET_PREVIOUS, verify })
    }

    const states = new LRUCache<string, SessionState>({ max: MAX_SESSIONS, ttl: BELIEVE_MS })
    const loading = new Map<string, Promise<SessionState | undefined>>()

    async function load(sid: string): Promise<SessionState | undefined> {
      const [row] = await app.db.$queryRaw<SessionRow[]>`
        SELECT s.user_id, s.role, s.revoked_at, s.expires_at, u.status, u.is_merchant, u.deleted_at
        FROM sessions AS s JOIN users AS u ON u.user_id = s.user_id
        WHERE s.sid = ${sid}`
      return (
        row && {
          userId: row.user_id,
          role: row.role,
          isMerchant: Number(row.is_merchant) === 1,
          valid: row.revoked_at === null && row.expires_at > app.clock(),
          disabled: row.status !== 'active' || row.deleted_at !== null
        }
      )
    }

    /** Looked up once however many ask at a time; an answer overtaken by a change is not kept. */
    async function stateOf(sid: string): Promise<SessionState | undefined> {
      const known = states.get(sid)
      if (known !== undefined) return known
      let lookup = loading.get(sid)
      if (lookup === undefined) {
        lookup = load(sid)
        loading.set(sid, lookup)
        const current = lookup
        const settle = (state?: SessionState) => {
          if (loading.get(sid) !== current) return
          loading.delete(sid)
          if (state !== undefined) states.set(sid, state)
        }
        current.then(settle, () => settle())
      }
      return lookup
    }

    app.bus.subscribe((event) => {
      if (event.kind === 'session_revoked') {
        states.delete(event.sid)
        loading.delete(event.sid)
      }
      if (event.kind === 'user_changed') {
        for (const [sid, state] of states.entries()) if (state.userId === event.userId) states.delete(sid)
        loading.clear()
      }
    })

    // What others told while Redis was away was missed: nothing is believed that was known before.
    app.redis?.onReturn(() => {
      states.clear()
      loading.clear()
    })

    function verified(token: string, { verify }: Pick<JWT, 'verify'> = app.jwt): Claims | undefined {
      try {
        return verify<Claims>(token)
      } catch {
        return undefined
      }
    }

    function read(token: string, typ: Claims['typ']): Claims | undefined {
      const { previous } = app.jwt
      const claims = verified(token) ?? (previous && verified(token, previous))
      return claims?.typ === typ && Number.isInteger(claims.user_id) && typeof claims.sid === 'string'
        ? claims
        : undefined
    }

    async function admit(claims: Claims | undefined): Promise<SignedIn> {
      const state = claims && (await stateOf(claims.sid))
      if (!claims || !state?.valid || state.userId !== claims.user_id) throw refuse('TOKEN_INVALID')
      if (state.disabled) throw refuse('ACCOUNT_DISABLED')
      const { userId, isMerchant, role } = state
      return { userId, isMerchant, role, sid: claims.sid, expiresAt: claims.exp }
    }

    app.decorate('identity', {
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
      read,
      async authenticate(token, claims) {
        if (token === undefined) throw refuse('TOKEN_MISSING')
        return admit(claims ?? read(token, 'access'))
      }
    })

    app.decorateRequest('claims', undefined)
    // First the signature alone, so that limits can be kept per user without asking the database …
    app.addHook('onRequest', (request, _reply, done) => {
      const token = bearerToken(request)
      request.claims = token === undefined ? undefined : read(token, 'access')
      done()
    })
  },
  { name: 'identity', dependencies: ['database', 'bus', 'redis'] }
)

interface SessionRow {
  user_id: number
  role: 'user' | 'admin'
  revoked_at: Date | null
  expires_at: Date
  status: 'active' | 'inactive' | 'banned'
  is_merchant: number | boolean
  deleted_at: Date | null
}

/**
 * … and, after the limits, the session: every route under /api needs a valid token unless its config says
 * `access: 'public'`, so a route that forgets to say anything is closed.
 */
export const access = fp(
  async (app) => {
    async function admit(request: FastifyRequest, token: string | undefined): Promise<void> {
      const { access } = request.routeOptions.config
      const who = await app.identity.authenticate(token, request.claims)
      if (who.role !== 'admin') {
        if (access === 'admin') throw refuse('FORBIDDEN')
        if (access === 'merchant' && !who.isMerchant) throw refuse('MERCHANT_REQUIRED')
      }
      request.user = who
    }

    app.decorateRequest('signInByForm', async () => {})
    app.addHook('onRequest', async (request, reply) => {
      const { url = '', config } = request.routeOptions
      if (!url.startsWith('/api/') || url.startsWith('/api/docs') || config.access === 'public') return
      const token = bearerToken(request)
      const { tokenField } = config
      if (token !== undefined || tokenField === undefined || !isForm(request)) return admit(request, token)
      let signedIn = false
      request.signInByForm = async (fields) => {
        if (signedIn) return
        const given = fields.get(tokenField) || undefined
        request.claims = given === undefined ? undefined : app.identity.read(given, 'access')
        // The address was counted; now it is known whose request it is.
        if (request.claims !== undefined) await app.countRequest(request, reply)
        await admit(request, given)
        signedIn = true
      }
    })
  },
  { name: 'access', dependencies: ['identity', 'rate-limit'] }
)

const isForm = ({ headers }: FastifyRequest) => /^multipart\/form-data\b/i.test(headers['content-type'] ?? '')
