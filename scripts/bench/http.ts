import { randomInt } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { buildApp } from '../../src/app.js'
import { createDrawEngine } from '../../src/domains/lottery/engine.js'
import { RuleBook } from '../../src/domains/lottery/versions.js'
import type { BenchOptions } from './index.js'
import { startChild } from './lib/child.js'
import { type Contender, measure, quantile, type Result } from './lib/harness.js'
import { Meter, processCpuMs } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import { signIn } from './lib/sign-in.js'
import { makeDiners, type World } from './lib/world.js'

const DINERS = 1000
const IN_FLIGHT = 64
/** Draws of each contender before the first that counts. */
const WARM_UP = 15 * DINERS
/** Of what the service does at most: how much the open loop asks of it. */
const LOADS = [0.25, 0.5, 0.75]

/** Draws through HTTP: what a request costs above the bare engine, and how long answers take at a steady rate. */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const app = await buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const server = await startChild('http-server', world.config)
  const meter = await Meter.open(world.config.DATABASE_URL)
  const { cipher, randomInt: dice, clock } = app
  const tools = { ruleBook: new RuleBook(), cipher, randomInt: dice, clock, timeZone: 'Asia/Shanghai', voucherDays: 30 }
  const engine = createDrawEngine(app.fastTx, tools)
  const bare = await makeDiners(world, DINERS)
  const diners = await makeDiners(world, DINERS)
  const tokens = (await signIn(world, app, diners)).map((who) => who.access_token)
  const agent = new Agent({ keepAlive: true, maxSockets: 512 })
  const url = new URL('/api/lottery/draw', String(server.ready.address))
  const drawBy = (n: number) => post(url, agent, tokens[n % DINERS] ?? '')

  const contenders: Contender[] = [
    {
      name: 'bare engine',
      async work(n) {
        const answer = await engine.submit({ userId: bare.first + (n % DINERS), type: 'single' })
        if ('refusal' in answer) throw answer.refusal
      }
    },
    { name: 'through HTTP', work: drawBy, cpuMs: () => processCpuMs(server.pid) }
  ]
  const [rounds, sliceMs, seconds] = quick ? [2, 1000, 2] : [5, 1500, 6]
  const bar = startSteps('http', (rounds + 1) * contenders.length + LOADS.length)
  // Every session is known, and what runs often is compiled, before anything is counted.
  for (const { work } of contenders) {
    for (let n = 0; n < (quick ? WARM_UP / 3 : WARM_UP); n += IN_FLIGHT) {
      await Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => work(n + index)))
    }
  }
  const results = await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })
  const [engineResult, httpResult] = results as [Result, Result]
  const open = []
  for (const load of LOADS) {
    open.push(await openLoop(drawBy, httpResult.perSecond * load, seconds))
    bar.step()
  }
  bar.stop()
  agent.destroy()
  await server.stop()
  await engine.close()
  await meter.close()
  await app.close()

  printTable(
    `Draws with ${IN_FLIGHT} in flight`,
    ['', 'a second', 'p50 ms', 'p99 ms', 'node ms', 'db ms'],
    results.map((result) => [
      result.name,
      ...[result.perSecond, result.p50Ms, result.p99Ms, result.nodeMs, result.databaseMs].map(figure)
    ])
  )
  printTable(
    'Draws through HTTP at a steady rate (open loop, from the time each was due)',
    ['', 'asked a second', 'answered', 'p50 ms', 'p99 ms'],
    open.map(({ asked, answered, p50Ms, p99Ms }, index) => [
      `${(LOADS[index] ?? 0) * 100} % load`,
      ...[asked, answered, p50Ms, p99Ms].map(figure)
    ])
  )
  const cost = ({ nodeMs, databaseMs }: Result) => nodeMs + databaseMs
  const bars: Bar[] = [
    {
      name: 'processor time of a draw through HTTP, in times of the bare engine’s',
      value: cost(httpResult) / cost(engineResult),
      bound: 2,
      kind: 'at most'
    }
  ]
  printBars(bars)
  await writeResults('http', { rounds, sliceMs, results, open, bars })
  return bars
}

function post(url: URL, agent: Agent, token: string): Promise<void> {
  const body = '{"draw_type":"single"}'
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': body.length
  }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.once('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`a draw was answered with ${response.statusCode}`))
      )
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

/**
 * Sends at a rate whether or not answers come, and counts from when each request was due: a service that stalls is
 * not spared the requests that would have come meanwhile.
 */
async function openLoop(work: (n: number) => Promise<void>, perSecond: number, seconds: number) {
  const latencies: number[] = []
  const pending: Promise<void>[] = []
  const start = performance.now()
  let due = start
  for (let n = randomInt(DINERS); due < start + seconds * 1000; n += 1) {
    due += (-Math.log(1 - Math.random()) / perSecond) * 1000
    const wait = due - performance.now()
    if (wait > 1) await pause(wait)
    const since = due
    pending.push(work(n).then(() => void latencies.push(performance.now() - since)))
  }
  await Promise.all(pending)
  const elapsed = (performance.now() - start) / 1000
  latencies.sort((a, b) => a - b)
  return {
    asked: perSecond,
    answered: latencies.length / elapsed,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99)
  }
}
