import { WebSocket } from 'ws'
import type { BenchOptions } from './index.js'
import { type Child, startChild } from './lib/child.js'
import { median } from './lib/harness.js'
import { processCpuMs, residentMb } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import type { World } from './lib/world.js'

/** Sockets that are opened at a time. */
const WAVE = 200

interface Crowd {
  readonly sockets: readonly WebSocket[]
  /** Frames that have come in all. */
  received: number
}

/** One event to every socket of a process: the service's hub against ws alone. */
export async function main(_world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const [size, rounds] = quick ? [2000, 3] : [10_000, 7]
  const kinds = ['hub', 'bare'] as const
  const bar = startSteps('fanout', kinds.length * (size / WAVE + rounds))
  const results = []
  for (const kind of kinds) {
    // One after the other: both crowds at once would need twice the files that a process may open.
    const child = await startChild('fanout-server', { kind })
    const emptyMb = residentMb(child.pid)
    const crowd = await gather(Number(child.ready.port), size, bar.step)
    const fullMb = residentMb(child.pid)
    const shots: Shot[] = []
    for (let round = 0; round < rounds; round += 1) {
      shots.push(await shoot(child, crowd))
      bar.step()
    }
    for (const socket of crowd.sockets) socket.terminate()
    await child.stop()
    const each = (of: (shot: Shot) => number) => median(shots.map(of))
    results.push({
      name: kind === 'hub' ? 'this hub' : 'bare ws',
      rssMb: fullMb,
      kbASocket: ((fullMb - emptyMb) * 1024) / size,
      allMs: each((shot) => shot.allMs),
      blockMs: each((shot) => shot.blockMs),
      cpuMicros: (each((shot) => shot.cpuMs) * 1000) / size
    })
  }
  bar.stop()
  const [hub, bare] = results
  printTable(
    `One event to ${size.toLocaleString('en')} sockets`,
    ['', 'RSS MB', 'KB a socket', 'ms until all have it', 'longest block ms', 'CPU µs a frame'],
    results.map(({ name, ...values }) => [name, ...Object.values(values).map(figure)])
  )
  const bars: Bar[] = [
    { name: `megabytes of a process with ${size} sockets`, value: hub?.rssMb ?? 0, bound: 500, kind: 'at most' },
    { name: 'longest block of a broadcast in ms', value: hub?.blockMs ?? 0, bound: 20, kind: 'at most' }
  ]
  printBars(bars)
  await writeResults('fanout', { size, rounds, results, ratio: (bare?.cpuMicros ?? 0) / (hub?.cpuMicros ?? 1), bars })
  return bars
}

async function gather(port: number, size: number, step: () => void): Promise<Crowd> {
  const sockets: WebSocket[] = []
  const crowd: Crowd = { sockets, received: 0 }
  while (sockets.length < size) {
    const wave = Array.from({ length: Math.min(WAVE, size - sockets.length) }, () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false })
      socket.on('message', () => {
        crowd.received += 1
      })
      sockets.push(socket)
      return new Promise((resolve, reject) => {
        socket.once('open', resolve)
        socket.once('error', reject)
      })
    })
    await Promise.all(wave)
    step()
  }
  return crowd
}

interface Shot {
  readonly allMs: number
  readonly blockMs: number
  readonly cpuMs: number
}

async function shoot(child: Child, crowd: Crowd): Promise<Shot> {
  // What the handshakes sent is to be out of the way.
  await new Promise((resolve) => setTimeout(resolve, 300))
  crowd.received = 0
  const cpu = processCpuMs(child.pid)
  const start = performance.now()
  const answer = child.ask({ what: 'broadcast' })
  while (crowd.received < crowd.sockets.length) await new Promise((resolve) => setImmediate(resolve))
  const allMs = performance.now() - start
  const { blockMs } = await answer
  return { allMs, blockMs: Number(blockMs), cpuMs: processCpuMs(child.pid) - cpu }
}
