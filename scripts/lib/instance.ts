import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Fault } from './print.js'

/** What a running process tells of itself to others that share its data folder. */
export interface InstanceInfo {
  pid: number
  databaseUrl?: string
  /** Where the service listens, once it does. */
  address?: string
}

/** Sole ownership of a data folder, as long as this process lives. */
export interface Claim {
  /** Adds to what others are told. */
  publish(info: Partial<InstanceInfo>): void
  release(): Promise<void>
}

/**
 * The claim is a listening UNIX socket: the kernel ends it with the process, however that dies, so no stale lock
 * can block a start. Its path must hold about 100 bytes, so a long one is replaced by a name in the temporary folder.
 */
function claimPath(dataDir: string): string {
  const inside = path.join(path.resolve(dataDir), 'instance.sock')
  if (Buffer.byteLength(inside) < 100) return inside
  return path.join(tmpdir(), `lottery-${createHash('sha256').update(inside).digest('hex').slice(0, 16)}.sock`)
}

/** Asks whoever owns the folder; undefined when nobody does. */
export async function findInstance(dataDir: string): Promise<InstanceInfo | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(claimPath(dataDir))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.once('end', () => resolve(JSON.parse(answer) as InstanceInfo))
    socket.once('error', (err: NodeJS.ErrnoException) => {
      if (err.code === 'ENOENT' || err.code === 'ECONNREFUSED') resolve(undefined)
      else reject(err)
    })
  })
}

/**
 * Makes this process the owner of the data folder.
 * @returns the claim, or what the present owner tells of itself
 */
export async function claimInstance(dataDir: string): Promise<{ claim: Claim } | { owner: InstanceInfo }> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const owner = await findInstance(dataDir)
  if (owner !== undefined) return { owner }
  const info: InstanceInfo = { pid: process.pid }
  const file = claimPath(dataDir)
  // Nobody listens there, so what lies there is a leftover.
  await rm(file, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(JSON.stringify(info))
  })
  await listen(server, file)
  server.unref()
  return {
    claim: {
      publish: (more) => Object.assign(info, more),
      release: () => new Promise((resolve) => server.close(() => resolve()))
    }
  }
}

function listen(server: Server, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) => {
      reject(err.code === 'EADDRINUSE' ? new Fault(`Another process is just starting on ${file}.`) : err)
    })
    server.listen(file, () => resolve())
  })
}
