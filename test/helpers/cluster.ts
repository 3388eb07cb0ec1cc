import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { freePort } from '../../scripts/lib/mariadbd.js'
import { until } from './app.js'

/** A process of the compiled service. */
export interface Instance {
  readonly port: number
  readonly address: string
  /** Sends a signal and waits for the end; the exit code, or null when the signal itself ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** Starts `node dist/src/server.js`, as the image does, and waits until it is ready. */
export async function startInstance(env: Record<string, string>, port?: number): Promise<Instance> {
  const own = port ?? (await freePort())
  const address = `http://127.0.0.1:${own}`
  const child: ChildProcess = spawn(process.execPath, ['dist/src/server.js'], {
    env: { PATH: process.env.PATH, LOG_LEVEL: 'warn', ...env, PORT: String(own) },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await until(async () => {
    if (hasEnded()) throw new Error(`the instance ended: ${stderr}`)
    return fetch(`${address}/health/ready`).then(
      (reply) => reply.ok,
      () => false
    )
  })
  return {
    port: own,
    address,
    async end(signal) {
      const ended = hasEnded() ? undefined : once(child, 'exit')
      child.kill(signal)
      await ended
      return child.exitCode
    }
  }
}

/**
 * A balancer of connections: each goes to the next instance that accepts it. One that breaks on the way is broken to
 * the client too.
 */
export async function startBalancer(ports: readonly number[]): Promise<{ address: string }> {
  const sockets = new Set<Socket>()
  let turn = 0
  const server = createServer((client) => {
    sockets.add(client)
    client.on('close', () => sockets.delete(client))
    client.on('error', () => {})
    turn += 1
    const join = (tries: number): void => {
      const port = ports[(turn + tries) % ports.length]
      if (port === undefined || tries >= ports.length) {
        client.destroy()
        return
      }
      const upstream = connect(port, '127.0.0.1')
      let joined = false
      upstream.once('connect', () => {
        joined = true
        sockets.add(upstream)
        client.pipe(upstream).pipe(client)
        client.on('close', () => upstream.destroy())
      })
      upstream.on('error', () => {
        if (!joined) join(tries + 1)
      })
      upstream.on('close', () => {
        sockets.delete(upstream)
        if (joined) client.destroy()
      })
    }
    join(0)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { address: `http://127.0.0.1:${(server.address() as { port: number }).port}` }
}
