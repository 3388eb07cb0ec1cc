import { reactive } from 'vue'
import {
  createClient,
  fetchTransport,
  type Live,
  type LiveState,
  Refused,
  type SessionTokens
} from '../../client/index.js'

/** Who sits before the console. */
interface Who {
  readonly userId: number
  readonly nickname: string
  readonly isAdmin: boolean
}

interface State {
  /** `starting` until it is known whether somebody is logged in; `unreachable` where nobody could say. */
  stage: 'starting' | 'unreachable' | 'out' | 'in'
  who: Who | undefined
  /** Why somebody who was logged in is not any more. */
  ended: 'expired' | 'disabled' | undefined
  /** The line on which news come. */
  line: LiveState
}

export const session = reactive<State>({ stage: 'starting', who: undefined, ended: undefined, line: 'connecting' })

/** The access token is kept in memory alone; what renews it lies in a cookie that no script can read. */
export const client = createClient({
  baseUrl: location.origin,
  // What others may keep for a while is asked for anew: who has just changed it wants to see that.
  transport: fetchTransport({ fetch: (url, init) => fetch(url, { ...init, cache: 'no-cache' }) }),
  refresh: renew,
  onSignedOut: () => leave('expired')
})

let line: Live | undefined

async function renew(): Promise<SessionTokens | undefined> {
  try {
    return await client.auth.consoleRefresh()
  } catch (err) {
    if (err instanceof Refused && (err.status === 401 || err.status === 403)) return undefined
    throw err
  }
}

/** How soon somebody looks again for a service that nobody answered for. */
const LOOK_AGAIN_MS = 5000
let lookingAgain: ReturnType<typeof setTimeout> | undefined

/** Finds out whether this browser is logged in; where nobody can say, it tries again by itself after a while. */
export async function begin(): Promise<void> {
  clearTimeout(lookingAgain)
  try {
    const tokens = await renew()
    if (tokens === undefined) session.stage = 'out'
    else await enter(tokens)
  } catch {
    session.stage = 'unreachable'
    lookingAgain = setTimeout(() => void begin(), LOOK_AGAIN_MS)
  }
}

/** @throws Refused, or Unanswered */
export async function logIn(
  given: { mobile: string; code: string } | { username: string; password: string }
): Promise<void> {
  await enter(await client.auth.consoleLogin(given))
}

/** Ends the session here and everywhere else. */
export async function logOut(): Promise<void> {
  await client.auth.logout()
  leave()
}

/** Shows the login, and why. */
function leave(why?: 'expired' | 'disabled'): void {
  const old = line
  line = undefined
  old?.close()
  Object.assign(session, { stage: 'out', who: undefined, ended: why })
}

async function enter({ access_token: token }: SessionTokens): Promise<void> {
  const { user_id: userId, nickname } = await client.user.info()
  const mine = client.live()
  line = mine
  mine.onState((state) => {
    if (line !== mine) return
    session.line = state
    if (state === 'stopped') void askWhy()
  })
  const who = { userId, nickname, isAdmin: roleIn(token) === 'admin' }
  Object.assign(session, { stage: 'in', who, ended: undefined, line: mine.state })
}

/** A line that is stopped for good was taken by another window, or is of an account that may not act any more. */
async function askWhy(): Promise<void> {
  try {
    await client.user.info()
  } catch (err) {
    endIfDisabled(err)
  }
}

/** @returns whether this was refused because the account was shut out meanwhile; it is shown the door */
export function endIfDisabled(err: unknown): boolean {
  const isOver = session.stage === 'in' && err instanceof Refused && err.error === 'ACCOUNT_DISABLED'
  if (isOver) leave('disabled')
  return isOver
}

/** What the token says of its owner, for what is shown; what may be done is for the service to say. */
function roleIn(token: string): unknown {
  const [, payload = ''] = token.split('.')
  return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))).role
}

/** The line on which news come, while somebody is logged in. */
export function liveLine(): Live | undefined {
  return line
}
