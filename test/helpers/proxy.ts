import { connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'

/** A TCP proxy in front of a database, a Redis or a service, whose line can be cut, slowed and mended. */
export interface Line {
  readonly url: string
  /** How many answers were taken away. */
  readonly lost: number
  /** Ends every connection, and refuses new ones. */
  cut(): void
  restore(): void
  /** Keeps every byte that long on its way to the client; 0 for no time. Order is kept. */
  delay(ms: number): void
  /** Cuts the connection on which such an answer comes next, before the client has it: the work is done, unheard. */
  loseNext(answer: RegExp): void
  close(): Promise<void>
}

export async function createProxy(target: URL): Promise<Line> {
  const sockets = new Set<Socket>()
  let open = true
  let delayMs = 0
  let losing: RegExp | undefined
  let lost = 0
  const server = createServer((client) => {
    if (!open) {
      client.destroy()
      return
    }
    const upstream = connect(Number(target.port || 3306), target.hostname)
    const late = new PassThrough()
    late.pipe(client)
    let due = 0
    upstream.on('data', (chunk) => {
      if (losing?.test(chunk.toString('latin1'))) {
        losing = undefined
        lost += 1
        client.destroy()
        upstream.destroy()
        return
      }
      due = Math.max(due, Date.now() + delayMs)
      if (due <= Date.now()) late.write(chunk)
      else setTimeout(() => late.writable && late.write(chunk), due - Date.now() + 1)
    })
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(from)
      if (from === client) from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as { port: number }).port)
  const cut = () => {
    open = false
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.toString(),
    get lost() {
      return lost
    },
    cut,
    restore: () => {
      open = true
    },
    delay: (ms) => {
      delayMs = ms
    },
    loseNext: (answer) => {
      losing = answer
    },
    close: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    }
  }
}
