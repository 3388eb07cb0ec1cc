import type { ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { findProgram, provide } from './apt.js'
import { type GaleraNode, PROBE_USER } from './galera.js'
import { launch } from './mariadbd.js'

const CHOICES = `A cluster wants HAProxy, and it could not be installed here. Install it yourself:
  apt-get install haproxy`

/** @returns the path of HAProxy, which is installed by apt-get where it is missing */
function provideHaproxy(): string {
  return provide(() => findProgram('haproxy'), { what: 'HAProxy', packages: ['haproxy'], choices: CHOICES })
}

interface HaproxyOptions {
  readonly dir: string
  /** Where it passes on to the one node that is written. */
  readonly databasePort: number
  readonly nodes: readonly Pick<GaleraNode, 'name' | 'port'>[]
  /** Where it passes requests on to the instances of the service. */
  readonly servicePort: number
  readonly instancePorts: readonly number[]
}

/** Starts HAProxy before a cluster and before the service. */
export async function startHaproxy(options: HaproxyOptions): Promise<ChildProcess> {
  const file = path.join(options.dir, 'haproxy.cfg')
  await writeFile(file, haproxyConfig(options))
  return launch(provideHaproxy(), ['-f', file, '-db'])
}

/**
 * One node is written, the others are spare; sessions of one that is down are ended at once. A node counts as up while
 * it says `wsrep_ready`: it takes connections all the same when it is cut off from the others.
 */
function haproxyConfig({ databasePort, nodes, servicePort, instancePorts }: HaproxyOptions): string {
  const servers = nodes.map(({ name, port }, index) => {
    const spare = index === 0 ? '' : ' backup'
    return `  server ${name} 127.0.0.1:${port} check inter 500ms fall 2 rise 4 on-marked-down shutdown-sessions${spare}`
  })
  const instances = instancePorts.map(
    (port, index) => `  server instance${index + 1} 127.0.0.1:${port} check inter 500ms fall 2`
  )
  return `global
  maxconn 4000

defaults
  timeout connect 2s
  timeout client 1h
  timeout server 1h

listen database
  mode tcp
  bind 127.0.0.1:${databasePort}
  option tcpka
${NODE_CHECK.map((line) => `  ${line}`).join('\n')}
${servers.join('\n')}

listen service
  mode http
  bind 127.0.0.1:${servicePort}
  balance leastconn
  option forwardfor
  option redispatch
  timeout tunnel 1h
  option httpchk GET /health/ready
  http-check expect status 200
${instances.join('\n')}
`
}

const hex = (bytes: Buffer) => bytes.toString('hex')

function packet(number: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4)
  header.writeUIntLE(payload.length, 0, 3)
  header[3] = number
  return Buffer.concat([header, payload])
}

/** A login by protocol 4.1 of a user who has no password. */
function loginPacket(user: string): Buffer {
  const fixed = Buffer.alloc(32)
  fixed.writeUInt32LE(0x8200, 0)
  fixed.writeUInt32LE(0x1000000, 4)
  fixed[8] = 33
  return packet(1, Buffer.concat([fixed, Buffer.from(`${user}\0\0`)]))
}

function queryPacket(sql: string): Buffer {
  return packet(0, Buffer.concat([Buffer.from([3]), Buffer.from(sql)]))
}

/** How a node is asked whether it would take a write, as lines of HAProxy's configuration. */
export const NODE_CHECK: readonly string[] = [
  'option tcp-check',
  'tcp-check connect',
  'tcp-check expect rbinary ^.{10}',
  `tcp-check send-binary ${hex(loginPacket(PROBE_USER))}`,
  'tcp-check expect binary 0700000200',
  `tcp-check send-binary ${hex(queryPacket("SHOW STATUS LIKE 'wsrep_ready'"))}`,
  `tcp-check expect binary ${hex(Buffer.from('\x0bwsrep_ready\x02ON'))}`
]
