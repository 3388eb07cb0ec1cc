import { setTimeout as pause } from 'node:timers/promises'
import pc from 'picocolors'
import type { Finding } from '../../src/checker/proof.js'
import { ENGLISH } from '../../src/checker/words.js'
import type { Data } from '../../src/client/index.js'
import type { Person } from './demo-client.js'
import { Fault } from './print.js'

const LOGGED_WITHIN_MS = 30_000

type Draw = Data<'post', '/api/lottery/draw'>
type Proof = Data<'get', '/api/lottery/fairness/draws/{draw_id}'>

/**
 * The diner ends their epoch, takes the proof of a draw and checks it; bent in one digit it is refused.
 * @param shown the commitment that the diner was shown before their first draw
 */
export async function proveDraw(diner: Person, draw: Draw, shown: string): Promise<void> {
  const print = (text: string) => process.stdout.write(`   ${text}\n`)
  const { revealed } = await diner.api.lottery.fairnessRotate({ client_seed: `word of ${diner.name}` })
  print(`promised before   ${pc.dim(shown)}`)
  print(`told now          ${pc.dim(revealed.server_seed)}, ${revealed.draws} draws`)
  const proof = JSON.stringify(await loggedProof(diner, draw.draw_id))
  const findings = await diner.api.verify(proof, shown)
  for (const { check, verdict, params } of findings) print(pc.green(`✓ ${ENGLISH.say(check, verdict, params)}`))
  const doubtful = findings.filter(({ verdict }) => verdict !== 'right')
  if (doubtful.length > 0) throw new Fault(`The proof does not hold: ${doubtful.map(sayOf).join('; ')}`)
  const bent = proof.replace(
    /"roll":(\d+)/,
    (_, roll: string) => `"roll":${roll.slice(0, -1)}${(Number(roll) + 1) % 10}`
  )
  const wrong = (await diner.api.verify(bent, shown)).filter(({ verdict }) => verdict === 'wrong')
  if (wrong.length === 0) throw new Fault('A proof with another digit was taken for right.')
  print('the same with one digit changed:')
  for (const finding of wrong) print(pc.red(`✗ ${sayOf(finding)}`))
  print(pc.dim(`by hand: ${diner.address}/fair`))
}

const sayOf = ({ check, verdict, params }: Finding) => ENGLISH.say(check, verdict, params)

/** The proof, once its draw is in the public log. */
async function loggedProof(diner: Person, drawId: string): Promise<Proof> {
  const deadline = Date.now() + LOGGED_WITHIN_MS
  for (;;) {
    const proof = await diner.api.lottery.fairnessDrawsById({ draw_id: drawId })
    if (proof.inclusion !== null || Date.now() > deadline) return proof
    await pause(500)
  }
}
