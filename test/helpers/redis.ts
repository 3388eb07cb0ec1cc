import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { inject } from 'vitest'
import { freePort } from '../../scripts/lib/mariadbd.js'
import { until } from './app.js'

export interface TestRedis {
  readonly url: string
  stop(): Promise<void>
}

/**
 * A Redis for one test file: that of TEST_REDIS_URL, else a server of its own, which keeps nothing.
 * @param onPort where it was before; left out: a free one
 */
export async function startRedis(onPort?: number): Promise<TestRedis> {
  const given = process.env.TEST_REDIS_URL
  if (given !== undefined && given !== '') return { url: given, stop: async () => {} }
  const port = onPort ?? (await freePort())
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no']
  const server = spawn(inject('redisProgram'), args, { argv0: 'redis-server', stdio: 'ignore' })
  await until(() => listens(port))
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      server.kill('SIGKILL')
      if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
    }
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).then((open) => {
    socket.destroy()
    return open === true
  })
}
