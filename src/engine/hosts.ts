import type { Socket } from 'node:net'
import * as mariadb from 'mariadb'
import { DeadlineExceeded, withDeadline } from '../shared/deadline.js'
import { connectionOptions, hostUrls } from './connection.js'

/** One of the database servers that `DATABASE_URL` names. */
export interface Host {
  /** Such as `db1.internal:3306`; what health and log call it. */
  readonly name: string
  /** The address with this host alone. */
  readonly url: string
  /** Whether it would take a write; undefined while that is not known. */
  readonly isWell?: boolean | undefined
  /** What a node of a Galera cluster says of itself: each a number, by the name of its status variable. */
  readonly figures?: ReadonlyMap<string, number>
}

/** Of a node: how many there are, how far it is behind, and the share of time it had the others wait for it. */
export const NODE_FIGURES = [
  'wsrep_cluster_size',
  'wsrep_local_recv_queue',
  'wsrep_flow_control_paused',
  'wsrep_local_cert_failures',
  'wsrep_local_bf_aborts'
] as const

/**
 * Which of several database servers is written. All instances of the service look by the same rule and so come to the
 * same one: the first of the list that is there, is not read-only, and is no outcast of its cluster. Where two see it
 * differently for a moment both are right: a cluster refuses at COMMIT what would contradict, and it is done again.
 */
export interface Hosts {
  readonly all: readonly Host[]
  /** The one that is written now. */
  readonly written: Host
  /** Ends once it is known whether the first of the list is there. */
  readonly ready: Promise<void>
  /** Calls back when another one is written from now on. */
  onMove(listener: () => void): void
  /** Keeps a connection's socket in mind: should its host go down, it is closed, however still it is. */
  track(host: Host, socket: Socket): void
  /** Whether the host is a node of a Galera cluster. @throws the driver's error when it cannot be reached */
  isClustered(host: Host): Promise<boolean>
  close(): void
}

interface HostsOptions {
  readonly url: string
  readonly log: { warn(facts: object, message: string): void }
}

const LOOK_EVERY_MS = 500
const ANSWER_WITHIN_MS = 1000
/** Who does not answer may have been busy; who refuses is not there. */
const SILENT_LOOKS = 2
/** How long a host of earlier rank must have been well before it is written again: one that comes and goes is not. */
const WELL_FOR_MS = 10_000

interface Watched extends Host {
  figures: ReadonlyMap<string, number>
  readonly sockets: Set<Socket>
  connection: mariadb.Connection | undefined
  silent: number
  /** Unset while it is not known, too. */
  isDown: boolean
  wellSince: number | undefined
  /** Ends the pause before the next look. */
  wake: () => void
}

/** Watches the hosts of an address; where there is one alone, there is nothing to watch. */
export class HostWatch implements Hosts {
  readonly all: readonly Watched[]
  readonly ready: Promise<void>
  #written: Watched
  readonly #log: HostsOptions['log']
  readonly #clustered = new Map<Host, Promise<boolean>>()
  readonly #listeners: (() => void)[] = []
  #isClosed = false
  #start = () => {}

  constructor({ url, log }: HostsOptions) {
    this.#log = log
    this.all = hostUrls(url).map(watchedOf)
    const [first] = this.all
    if (first === undefined) throw new Error('an address has a host')
    this.#written = first
    this.ready = new Promise((resolve) => {
      this.#start = resolve
    })
    if (this.all.length === 1) this.#start()
    else for (const host of this.all) void this.#watch(host)
  }

  get written(): Host {
    return this.#written
  }

  onMove(listener: () => void): void {
    this.#listeners.push(listener)
  }

  track(host: Host, socket: Socket): void {
    const { sockets } = host as Watched
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }

  isClustered(host: Host): Promise<boolean> {
    const known = this.#clustered.get(host)
    if (known !== undefined) return known
    const asked = askClustered(host)
    this.#clustered.set(host, asked)
    asked.catch(() => this.#clustered.delete(host))
    return asked
  }

  close(): void {
    this.#isClosed = true
    for (const host of this.all) host.wake()
  }

  async #watch(host: Watched): Promise<void> {
    while (!this.#isClosed) {
      const outcome = await look(host)
      if (this.#isClosed) break
      host.silent = outcome === 'well' ? 0 : host.silent + 1
      if (outcome !== 'silent' || host.silent >= SILENT_LOOKS) this.#note(host, outcome === 'well')
      const isKnown = ({ silent, wellSince }: Watched) => silent > 0 || wellSince !== undefined
      if (this.all[0]?.wellSince !== undefined || this.all.every(isKnown)) this.#start()
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY_MS)
        host.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    host.connection?.destroy()
  }

  #note(host: Watched, isWell: boolean): void {
    host.isDown = !isWell
    host.wellSince = isWell ? (host.wellSince ?? Date.now()) : undefined
    this.#choose()
    // Whoever hears of it by this asks for a connection again, and gets one elsewhere.
    if (!isWell) for (const socket of host.sockets) socket.destroy(goneError(host))
  }

  #choose(): void {
    const next = this.all.find(({ wellSince }) => wellSince !== undefined)
    if (next === undefined) return
    if (this.#written.isDown) this.#move(next, `${this.#written.name} is down`)
    const now = Date.now()
    const earlier = this.all.slice(0, this.all.indexOf(this.#written))
    const better = earlier.find(({ wellSince = now }) => now - wellSince >= WELL_FOR_MS)
    if (better !== undefined) this.#move(better, `${better.name} is back`)
  }

  #move(to: Watched, reason: string): void {
    const from = this.#written
    this.#written = to
    this.#log.warn({ from: from.name, to: to.name, reason }, 'another database host is written from now on')
    for (const listener of this.#listeners) listener()
  }
}

/** As the system tells of a line that broke, so that it is dealt with like one. */
const goneError = ({ name }: Host) =>
  Object.assign(new Error(`the database host ${name} is down`), { code: 'ECONNRESET' })

function watchedOf(url: string): Watched {
  const { host = '', port = 3306 } = connectionOptions(url)
  const state = {
    figures: new Map(),
    connection: undefined,
    silent: 0,
    isDown: false,
    wellSince: undefined,
    wake: () => {}
  }
  const sockets = new Set<Socket>()
  return {
    name: `${host}:${port}`,
    url,
    sockets,
    ...state,
    get isWell() {
      return this.wellSince !== undefined ? true : this.isDown ? false : undefined
    }
  }
}

/**
 * The address with the one host that would be written now, for whoever needs no more than a moment of it; the address
 * of the first where none is there, so that the failure says so.
 */
export async function writableUrl(url: string): Promise<string> {
  const hosts = hostUrls(url).map(watchedOf)
  if (hosts.length === 1) return url
  for (const host of hosts) {
    const outcome = await look(host)
    host.connection?.destroy()
    if (outcome === 'well') return host.url
  }
  return hosts[0]?.url ?? url
}

/** What a read-only server says of itself; the words are of newer MariaDB. */
const WRITABLE = new Set(['0', 'OFF'])
const TOO_MANY_CONNECTIONS = 1040
const STATUS_NAMES = ['wsrep_ready', 'wsrep_provider_name', ...NODE_FIGURES].map((name) => `'${name}'`).join(', ')

/** Whether a host would take a write now: it answers, is not read-only, and belongs to the majority of its cluster. */
async function look(host: Watched): Promise<'well' | 'down' | 'silent'> {
  try {
    host.connection ??= await withDeadline(ANSWER_WITHIN_MS, connect(host))
    const { takesWrites, figures } = await withDeadline(ANSWER_WITHIN_MS, askState(host.connection))
    host.figures = figures
    return takesWrites ? 'well' : 'down'
  } catch (err) {
    host.connection?.destroy()
    host.connection = undefined
    const isBusy = err instanceof DeadlineExceeded || (err as { errno?: number }).errno === TOO_MANY_CONNECTIONS
    return isBusy ? 'silent' : 'down'
  }
}

/** A node that is cut off from its cluster answers what touches no table: it has to be asked for its state. */
async function askState(
  connection: mariadb.Connection
): Promise<{ takesWrites: boolean; figures: ReadonlyMap<string, number> }> {
  const [[mode], status] = await Promise.all([
    connection.query<{ ro: string }[]>('SELECT CAST(@@GLOBAL.read_only AS CHAR) AS ro'),
    connection.query<{ Variable_name: string; Value: string }[]>(
      `SHOW GLOBAL STATUS WHERE Variable_name IN (${STATUS_NAMES})`
    )
  ])
  const told = (name: string) => status.find((row) => row.Variable_name === name)?.Value ?? ''
  const isNode = told('wsrep_provider_name') !== ''
  const figures = new Map(isNode ? NODE_FIGURES.map((name) => [name, Number(told(name))]) : [])
  return { takesWrites: WRITABLE.has(String(mode?.ro)) && (!isNode || told('wsrep_ready') === 'ON'), figures }
}

/** A connection that has the host looked at again as soon as it breaks. */
async function connect(host: Watched): Promise<mariadb.Connection> {
  const options = { ...connectionOptions(host.url), connectTimeout: ANSWER_WITHIN_MS }
  const connection = await mariadb.createConnection(options)
  connection.on('error', () => {
    if (host.connection === connection) host.connection = undefined
    host.wake()
  })
  return connection
}

async function askClustered({ url }: Host): Promise<boolean> {
  const connection = await mariadb.createConnection({ ...connectionOptions(url), connectTimeout: 5000 })
  // Between two questions nobody hears that it broke, and the driver would throw it at the process.
  connection.on('error', () => {})
  try {
    const [row] = await connection.query<{ Value: string }[]>("SHOW VARIABLES LIKE 'wsrep_on'")
    return row?.Value === 'ON'
  } finally {
    await connection.end()
  }
}
