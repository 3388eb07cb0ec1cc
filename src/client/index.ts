import type { Finding } from '../checker/proof.js'
import { fetchTransport } from './fetch.js'
import { type Groups, ROUTES, type RouteKind } from './generated/routes.js'
import { Live, type LiveTimes } from './live.js'
import { Refused } from './refused.js'
import { ask, type Given, type RequestSettings } from './requests.js'
import { memoryStorage, Session, type SessionTokens, type TokenStorage } from './session.js'
import type { Transport } from './transport.js'
import type { Call, CallOptions, Data, Method, Route } from './types.js'
import { type WxLike, wxStorage, wxTransport } from './wx.js'

export { type FetchOptions, fetchTransport } from './fetch.js'
export { type ErrorName, errors } from './generated/catalogue.js'
export type { Live, LiveState, LiveTimes, PushOf } from './live.js'
export { Refused, Unanswered } from './refused.js'
export { memoryStorage, type SessionTokens, type TokenStorage } from './session.js'
export { type Received, type Sent, type Socket, type SocketEvents, type Transport, Unsendable } from './transport.js'
export type {
  Body,
  Call,
  CallOptions,
  Data,
  Frame,
  Input,
  LivePush,
  Method,
  Params,
  Picture,
  Query,
  Route,
  SocketMessage
} from './types.js'
export { type WxLike, wxStorage, wxTransport } from './wx.js'

const SEED_BYTES = 16

/** There in mini-programs, though no property of a global object. */
declare const wx: WxLike | undefined

/** Where a socket goes on from, and how patient it is. */
interface LiveOptions {
  readonly since?: number
  readonly times?: Partial<LiveTimes>
}

export interface ClientOptions {
  /** Where the service is, such as `https://api.example.com`. */
  readonly baseUrl: string
  /** Where tokens are kept; in memory where none is named, and in a mini-program in its storage. */
  readonly storage?: TokenStorage
  /** How to reach the outside: `wxTransport(wx)` in mini-programs, which is found by itself; else fetch. */
  readonly transport?: Transport
  /** How to get the next tokens, where it is not by the refresh token; undefined: they are refused. */
  readonly refresh?: () => Promise<SessionTokens | undefined>
  /** Told when a session ended that was not ended here: show the login. */
  readonly onSignedOut?: () => void
  /** Waits between two tries. */
  readonly pause?: (ms: number) => Promise<void>
}

/** The service, with every route as a function. */
export type Client = Groups & {
  /** Any route by its method and path, the aliases of old too. */
  call<M extends Method, P extends Route<M>>(method: M, path: P, ...given: Parameters<Call<M, P>>): Promise<Data<M, P>>
  /** Opens the socket of who is logged in, and keeps it up. */
  live(options?: LiveOptions): Live
  /** Checks the proof of a draw, as `lottery.fairnessDraws` gives it. @param shown the commitment seen before it */
  verify(proof: object | string, shown?: string): Promise<Finding[]>
  /** Who is logged in, to go on with at another time. */
  tokens(): Promise<SessionTokens | undefined>
  signIn(tokens: SessionTokens): Promise<void>
}

/** Makes a client of the service. It has no dependency, and no state but the tokens. */
export function createClient(options: ClientOptions): Client {
  const phone = typeof wx === 'undefined' ? undefined : wx
  const transport = options.transport ?? (phone === undefined ? fetchTransport() : wxTransport(phone))
  const pause = options.pause ?? ((ms: number) => new Promise<void>((done) => setTimeout(done, ms)))
  const session = new Session(
    options.storage ?? (phone === undefined ? memoryStorage() : wxStorage(phone)),
    async (tokens) => tokensIn(await (options.refresh ?? byToken(tokens))()),
    () => options.onSignedOut?.()
  )
  const settings: RequestSettings = { baseUrl: options.baseUrl, transport, session, pause }

  function byToken(tokens: SessionTokens | undefined) {
    return async () => {
      if (tokens?.refresh_token === undefined) return undefined
      try {
        return await ask(settings, ROUTES.auth.refresh, { refresh_token: tokens.refresh_token })
      } catch (err) {
        // Refused for good. Where nobody answered, or too much is asked, the tokens may well be good yet.
        if (err instanceof Refused && [401, 403, 2001, 2002, 2004].includes(err.code)) return undefined
        throw err
      }
    }
  }

  const run =
    (kind: RouteKind) =>
    async (given: Given = {}, call: CallOptions = {}) => {
      const answer = await ask(settings, kind, await withSeed(kind, given, transport, call.key), call)
      const tokens = kind.path.startsWith('/api/auth/') ? tokensIn(answer) : undefined
      if (tokens !== undefined) await session.keep(tokens)
      if (kind === ROUTES.auth.logout) await session.forget()
      return answer
    }
  const groups = Object.fromEntries(
    Object.entries(ROUTES).map(([group, routes]) => [
      group,
      Object.fromEntries(
        Object.entries(routes as Readonly<Record<string, RouteKind>>).map(([name, kind]) => [name, run(kind)])
      )
    ])
  ) as unknown as Groups

  return {
    ...groups,
    call: ((method: Method, path: string, given?: Given, call?: CallOptions) =>
      run(kindFor(method, path))(given, call)) as Client['call'],
    live: (live) => liveOf(settings, live),
    verify: (proof, shown) => verified(settings, proof, shown),
    tokens: () => session.tokens(),
    signIn: (tokens) => session.keep(tokens)
  }
}

function liveOf({ baseUrl, transport, session }: RequestSettings, options: LiveOptions = {}): Live {
  const url = `${baseUrl.replace(/^http/, 'ws').replace(/\/$/, '')}/ws`
  return new Live({ url, transport, session, ...options })
}

async function verified(settings: RequestSettings, proof: object | string, commitment?: string): Promise<Finding[]> {
  const text = typeof proof === 'string' ? proof : JSON.stringify(proof)
  const { verifier_key: verifierKey } = (await ask(settings, ROUTES.fairness.key, {})) as { verifier_key: string }
  // By itself, so that whoever never checks a proof does not load what checks it.
  const { checkProof } = await import('../checker/proof.js')
  return checkProof(text, { verifierKey, ...(commitment === undefined ? {} : { commitment }) })
}

/**
 * A fresh word with each draw: not even a server that tried seeds beforehand could then have steered it. A draw that is
 * sent under a key of the caller's own has that key for its word, or sent again it would be another request; a word has
 * no colon.
 */
async function withSeed({ path }: RouteKind, given: Given, transport: Transport, key?: string): Promise<Given> {
  if (path !== '/api/lottery/draw' || given.client_seed !== undefined) return given
  return { ...given, client_seed: key?.replace(/:/g, '.') ?? (await transport.random(SEED_BYTES)) }
}

/** The tokens of an answer, of a login say; undefined where it has none. */
function tokensIn(answer: unknown): SessionTokens | undefined {
  const { access_token: access, refresh_token: refresh } = (answer ?? {}) as Partial<SessionTokens>
  if (typeof access !== 'string') return undefined
  return { access_token: access, ...(typeof refresh === 'string' ? { refresh_token: refresh } : {}) }
}

/** A route by its path; one that has no function of its own, such as an alias, is one that takes a key. */
function kindFor(method: Method, path: string): RouteKind {
  const all = Object.values(ROUTES).flatMap((routes) => Object.values(routes) as RouteKind[])
  const known = all.find((kind) => kind.method === method && kind.path === path)
  return (
    known ?? {
      method,
      path,
      query: [],
      isKeyed: method === 'post',
      isPublic: path.startsWith('/api/auth/'),
      isBare: false
    }
  )
}
