import { type ChildProcess, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type * as mariadb from 'mariadb'
import { openConnection } from '../../src/engine/connection.js'
import { provide } from './apt.js'
import type { PrivateServerOptions } from './mariadb.js'
import {
  answers,
  endLeftover,
  freePort,
  hasEnded,
  initialise,
  initSql,
  launch,
  password,
  placeArgs,
  provideMariadb,
  SERVER_ARGS,
  socketPath,
  stopServer
} from './mariadbd.js'
import { Fault, say } from './print.js'

/** A node of a cluster on this machine. */
export interface GaleraNode {
  /** Such as `node1`. */
  readonly name: string
  readonly port: number
  /** Of its process, while it runs. */
  readonly pid: number | undefined
  /** Address of the database on this node. */
  readonly url: string
  /** Whether its process runs. */
  isUp(): boolean
  /** Starts a node that is down; it joins the others, and has what they have once this ends. */
  start(): Promise<void>
  /** As a power cut would: SIGKILL. */
  kill(): Promise<void>
  /** As an administrator would: it says goodbye to the others. */
  stop(): Promise<void>
  /** SIGSTOP: it is there, and answers nothing, until {@link GaleraNode.thaw}. */
  freeze(): void
  thaw(): void
  /** Cuts it off from the other nodes, or joins it to them again; its clients reach it all the while. */
  isolate(cutOff: boolean): Promise<void>
  /** Waits until it is in one group with all others that run, and has what they have. */
  settled(): Promise<void>
}

export interface GaleraCluster {
  readonly nodes: readonly GaleraNode[]
  /** Address of the database with all hosts, the written one first. */
  readonly url: string
  /** Ends every node; the data stays. */
  stop(): Promise<void>
}

/** The options are every node's. */
type GaleraOptions = Omit<PrivateServerOptions, 'onExit'>

const NODES = 3
const START_ATTEMPTS = 3
const NOTICED_WITHIN_MS = 20_000
const SETTLED_WITHIN_MS = 90_000
const IN_SHORT = { connectTimeout: 2000 }
const USER = 'lottery'
/** A user without a password and without rights, by whom HAProxy asks a node how it is. */
export const PROBE_USER = 'probe'
const PROVIDERS = [
  '/usr/lib/galera/libgalera_smm.so',
  '/usr/lib/libgalera_smm.so',
  '/usr/lib64/galera-4/libgalera_smm.so'
]
const CHOICES = `A cluster wants the Galera library, and it could not be installed here. Install it yourself:
  apt-get install galera-4`

/**
 * For a cluster on one machine: a node that says nothing is given up after two seconds. The others need time to agree
 * on that: with less of it (`install_timeout`) they gave each other up as well, where a killed node was back at once.
 */
const PROVIDER_OPTIONS = [
  'evs.suspect_timeout=PT2S',
  'evs.inactive_timeout=PT8S',
  'evs.install_timeout=PT7.5S',
  'evs.inactive_check_period=PT0.5S',
  'evs.keepalive_period=PT0.5S',
  'pc.recovery=false',
  'gcache.size=256M',
  'gcache.recover=yes'
]

/**
 * How a node that joins gets what it missed. Galera asks for a script even where only the last transactions are sent
 * (by the nodes themselves); this one tells the joiner from where, and refuses to copy a whole database: nodes are
 * seeded while they are down, see {@link seed}.
 */
const TRANSFER_SCRIPT = `#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --role) role=$2; shift ;;
    --address) address=$2; shift ;;
    --gtid) gtid=$2; shift ;;
    --bypass) bypass=1 ;;
  esac
  shift
done
place="$SEEDED_DIR/from-\${address##*/}"
if [ "$role" = joiner ]; then
  place="$SEEDED_DIR/from-$NODE_NAME"
  rm -f "$place"
  echo "ready \${address%%/*}/$NODE_NAME"
  tries=0
  until [ -s "$place" ]; do
    tries=$((tries + 1)); [ $tries -gt 600 ] && exit 32
    sleep 0.1
  done
  cat "$place"
else
  [ -n "$bypass" ] || exit 22
  echo "$gtid" > "$place.new" && mv "$place.new" "$place"
  echo "done $gtid"
fi
`

/** @returns the path of the Galera library, which is installed by apt-get where it is missing */
function provideGalera(): string {
  const find = () => PROVIDERS.find((file) => existsSync(file))
  return provide(find, { what: 'Galera', packages: ['galera-4'], choices: CHOICES })
}

/** What a node's folder says of how far its data is. */
interface Position {
  readonly uuid: string
  readonly seqno: number
}

interface Seat {
  readonly name: string
  readonly dir: string
  readonly dataDir: string
  readonly port: number
  readonly groupPort: number
  istPort: number
  child?: ChildProcess
}

/**
 * Starts three nodes that hold one database, made on first use. They listen on loopback alone, and their processes get
 * SIGTERM should this one be killed.
 * @throws Fault when a program is missing or a node does not come up
 */
export async function startGalera(options: GaleraOptions): Promise<GaleraCluster> {
  const programs = { ...provideMariadb(), provider: provideGalera() }
  const dir = path.resolve(options.dir)
  await mkdir(dir, { recursive: true })
  await chmod(dir, 0o700)
  const bin = path.join(dir, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(path.join(bin, 'wsrep_sst_seeded'), TRANSFER_SCRIPT, { mode: 0o755 })
  const secret = await password(path.join(dir, 'password'))
  const seats = await Promise.all(
    Array.from({ length: NODES }, async (_, index): Promise<Seat> => {
      const name = `node${index + 1}`
      const own = path.join(dir, name)
      const [port, groupPort, istPort] = [await freePort(), await freePort(), await freePort()]
      return { name, dir: own, dataDir: path.join(own, 'data'), port, groupPort, istPort }
    })
  )
  for (const seat of seats) await endLeftover(path.join(seat.dir, 'mariadbd.pid'), seat.dataDir)
  const context: Context = { ...programs, options, bin, dir, secret, seats }
  const first = await seed(context)
  await startSeat(context, first, true)
  await Promise.all(seats.filter((seat) => seat !== first).map((seat) => startSeat(context, seat)))
  return {
    nodes: seats.map((seat) => nodeOf(context, seat)),
    url: `mysql://${USER}:${secret}@${seats.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${options.database}`,
    async stop() {
      for (const { child } of seats) child?.kill('SIGCONT')
      // The last to leave knows that it is: it may begin the next time.
      for (const { child } of [...seats].reverse()) if (child !== undefined) await stopServer(child)
    }
  }
}

interface Context {
  readonly server: string
  readonly installer: string
  readonly provider: string
  readonly options: GaleraOptions
  readonly bin: string
  readonly dir: string
  readonly secret: string
  readonly seats: readonly Seat[]
}

const urlOf = ({ secret, options }: Context, { port }: Seat) =>
  `mysql://${USER}:${secret}@127.0.0.1:${port}/${options.database}`

const runs = ({ child }: Seat) => child !== undefined && !hasEnded(child)

function nodeOf(context: Context, seat: Seat): GaleraNode {
  const isUp = () => runs(seat)
  return {
    name: seat.name,
    port: seat.port,
    url: urlOf(context, seat),
    get pid() {
      return isUp() ? seat.child?.pid : undefined
    },
    isUp,
    async start() {
      if (isUp()) return
      await goneFrom(context)
      await startSeat(context, seat)
    },
    async kill() {
      const { child } = seat
      if (child === undefined || hasEnded(child)) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
    async stop() {
      if (seat.child !== undefined) await stopServer(seat.child)
    },
    freeze: () => void seat.child?.kill('SIGSTOP'),
    thaw: () => void seat.child?.kill('SIGCONT'),
    async isolate(cutOff) {
      const connection = await openConnection(urlOf(context, seat))
      await connection.query(`SET GLOBAL wsrep_provider_options = 'gmcast.isolate=${cutOff ? 1 : 0}'`)
      await connection.end()
    },
    async settled() {
      const deadline = Date.now() + SETTLED_WITHIN_MS
      while (!(await areOneGroup(context))) {
        if (Date.now() > deadline) throw await failure(seat)
        await pause(200)
      }
    }
  }
}

/** Waits until those who are there have noticed who is not: one that is back before takes their agreement apart. */
async function goneFrom(context: Context): Promise<void> {
  const deadline = Date.now() + NOTICED_WITHIN_MS
  while (Date.now() < deadline && !(await areOneGroup(context))) await pause(100)
}

/** Whether all nodes that run are one group, each has what the others have, and the group goes on. */
async function areOneGroup(context: Context): Promise<boolean> {
  const up = context.seats.filter(runs)
  const told = await Promise.all(up.map((seat) => groupOf(urlOf(context, seat))))
  const wanted = told[0]
  return wanted?.size === up.length && told.every((group) => group?.id === wanted.id && group.size === wanted.size)
}

/** The group a node belongs to, an old one where it has slept; undefined where it belongs to none, or is behind. */
async function groupOf(url: string): Promise<{ id: number; size: number } | undefined> {
  try {
    const connection = await openConnection(url, IN_SHORT)
    const rows = await connection
      .query<{ Variable_name: string; Value: string }[]>("SHOW STATUS LIKE 'wsrep_%'")
      .finally(() => connection.end())
    const told = new Map(rows.map((row) => [row.Variable_name, row.Value]))
    if (told.get('wsrep_cluster_status') !== 'Primary') return undefined
    if (told.get('wsrep_local_state_comment') !== 'Synced' || told.get('wsrep_ready') !== 'ON') return undefined
    return { id: Number(told.get('wsrep_cluster_conf_id')), size: Number(told.get('wsrep_cluster_size')) }
  } catch {
    return undefined
  }
}

/** Makes all folders hold the same data, and says which node has it: the one to begin with. */
async function seed(context: Context): Promise<Seat> {
  const { seats, options, secret, server, installer } = context
  const first = seats[0] as Seat
  if (!existsSync(path.join(first.dir, 'complete'))) {
    await mkdir(first.dir, { recursive: true })
    await initialise(installer, first.dataDir)
    const initFile = path.join(first.dir, 'init.sql')
    const probe = `CREATE OR REPLACE USER '${PROBE_USER}'@'127.0.0.1';\n`
    await writeFile(initFile, initSql(USER, secret, options.database) + probe, { mode: 0o600 })
    const child = launch(server, [...baseArgs(first), `--init-file=${initFile}`])
    if (!(await answers(child, urlOf(context, first)))) throw await failure(first)
    await stopServer(child)
    await rm(initFile)
    // Its history in the group begins, and ends at once: what is copied now has a place in it.
    await startSeat(context, first, true)
    if (first.child !== undefined) await stopServer(first.child)
    await writeFile(path.join(first.dir, 'complete'), '')
  }
  const positions = await Promise.all(seats.map((seat) => positionOf(context, seat)))
  const furthest = Math.max(...positions.map(({ seqno }) => seqno))
  const best = positions.findIndex(({ seqno }) => seqno === furthest)
  const begin = seats[best] ?? first
  for (const [index, seat] of seats.entries()) {
    const { uuid, seqno } = positions[index] as Position
    if (seat === begin || (uuid === positions[best]?.uuid && seqno === furthest)) continue
    await mkdir(seat.dir, { recursive: true })
    await rm(seat.dataDir, { recursive: true, force: true })
    const left = /(gvwstate\.dat|galera\.cache)$/
    await cp(begin.dataDir, seat.dataDir, { recursive: true, filter: (file) => !left.test(file) })
    await writeState(seat, { uuid: positions[best]?.uuid ?? uuid, seqno: furthest }, false)
  }
  await writeState(begin, positions[best] as Position, true)
  return begin
}

const stateFile = (seat: Seat) => path.join(seat.dataDir, 'grastate.dat')

async function writeState(seat: Seat, { uuid, seqno }: Position, mayBegin: boolean): Promise<void> {
  const lines = ['# GALERA saved state', 'version: 2.1', `uuid:    ${uuid}`, `seqno:   ${seqno}`]
  await writeFile(stateFile(seat), `${[...lines, `safe_to_bootstrap: ${mayBegin ? 1 : 0}`].join('\n')}\n`)
}

/** How far a node that is down has come; what a killed one did not write down is read from its tables. */
async function positionOf(context: Context, seat: Seat): Promise<Position> {
  const nothing = { uuid: '', seqno: -1 }
  if (!existsSync(stateFile(seat))) return nothing
  const state = await readFile(stateFile(seat), 'utf8')
  const [uuid = '', seqno = -1] = [/uuid:\s+(\S+)/.exec(state)?.[1], Number(/seqno:\s+(-?\d+)/.exec(state)?.[1])]
  if (seqno >= 0) return { uuid, seqno }
  // The last option of a name counts: so it writes where we read.
  const args = [...nodeArgs(context, seat), '--wsrep-recover', '--skip-log-error']
  const { stderr } = spawnSync(context.server, args, { encoding: 'utf8', env: environment(context, seat) })
  const found = /Recovered position: ([0-9a-f-]{36}):(-?\d+)/.exec(stderr)
  return found === null ? nothing : { uuid: found[1] ?? '', seqno: Number(found[2]) }
}

const logOf = (seat: Seat) => path.join(seat.dir, 'mariadbd.log')

function baseArgs(seat: Seat): string[] {
  return [
    ...placeArgs(seat.dataDir),
    `--socket=${socketPath(seat.dir)}`,
    `--port=${seat.port}`,
    `--pid-file=${path.join(seat.dir, 'mariadbd.pid')}`,
    `--log-error=${logOf(seat)}`,
    '--binlog-format=ROW',
    '--innodb-autoinc-lock-mode=2',
    ...SERVER_ARGS
  ]
}

function nodeArgs({ provider, seats, options }: Context, seat: Seat): string[] {
  const providerOptions = [
    `gmcast.listen_addr=tcp://127.0.0.1:${seat.groupPort}`,
    `ist.recv_addr=127.0.0.1:${seat.istPort}`,
    ...PROVIDER_OPTIONS
  ]
  return [
    ...baseArgs(seat),
    '--wsrep-on=ON',
    `--wsrep-provider=${provider}`,
    '--wsrep-cluster-name=lottery',
    `--wsrep-cluster-address=gcomm://${seats.map(({ groupPort }) => `127.0.0.1:${groupPort}`).join(',')}`,
    `--wsrep-node-name=${seat.name}`,
    `--wsrep-node-address=127.0.0.1:${seat.groupPort}`,
    '--wsrep-sst-method=seeded',
    `--wsrep-sst-receive-address=127.0.0.1:${seat.istPort}`,
    '--wsrep-slave-threads=4',
    `--wsrep-provider-options=${providerOptions.join(';')}`,
    ...(options.args ?? [])
  ]
}

const environment = ({ bin, dir }: Context, { name }: Seat) => ({
  ...process.env,
  PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}`,
  SEEDED_DIR: dir,
  NODE_NAME: name
})

async function startSeat(context: Context, seat: Seat, asFirst = false): Promise<void> {
  let fault: Fault | undefined
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    // A killed node has not written down how far it had come: told from its tables, it gets only what it missed.
    const { uuid, seqno } = await positionOf(context, seat)
    say(`starting ${seat.name} of the cluster on 127.0.0.1:${seat.port}`)
    await rm(logOf(seat), { force: true })
    const args = [
      ...nodeArgs(context, seat),
      ...(asFirst ? ['--wsrep-new-cluster'] : []),
      ...(seqno >= 0 ? [`--wsrep-start-position=${uuid}:${seqno}`] : [])
    ]
    const child = launch(context.server, args, environment(context, seat))
    seat.child = child
    if (await answers(child, urlOf(context, seat), isSynced)) return
    fault = await failure(seat)
    // Somebody else may have taken the port that was free, or the one that was to send it its part was busy.
    seat.istPort = await freePort()
  }
  throw fault
}

/** Whether a node has what the others have. Before that it refuses questions. */
async function isSynced(connection: mariadb.Connection): Promise<boolean> {
  const [row] = await connection.query<{ Value: string }[]>("SHOW STATUS LIKE 'wsrep_local_state_comment'")
  return row?.Value === 'Synced'
}

async function failure(seat: Seat): Promise<Fault> {
  const log = existsSync(logOf(seat)) ? await readFile(logOf(seat), 'utf8') : 'it wrote no log'
  const lines = log.split('\n')
  const told = [...lines.filter((line) => line.includes('[ERROR]')), '…', ...lines.slice(-15)]
  return new Fault(`${seat.name} of the cluster did not start:\n${told.join('\n')}`)
}
