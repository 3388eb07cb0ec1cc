import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import pc from 'picocolors'
import type { Data, Frame } from '../src/client/index.js'
import { Person } from './lib/demo-client.js'
import { proveDraw } from './lib/demo-proof.js'
import { appealAndWin, checkStatement, sendReceipt, tryRepeat } from './lib/demo-receipts.js'
import { redeemPrize, type Told, visitShop } from './lib/demo-shop.js'
import { SAMPLE_MERCHANT, SECOND_MERCHANT } from './lib/first-data.js'
import { findInstance } from './lib/instance.js'
import { Fault, guarded, say } from './lib/print.js'
import { readSettings } from './lib/settings.js'
import { start } from './start.js'

type Draw = Data<'post', '/api/lottery/draw'>
type DrawType = 'single' | 'triple' | 'ten'

/** What of the published wheel the checks need. */
interface Wheel {
  readonly cost: number
  readonly pityLimit: number
  readonly pityPrize: string
  /** Shown before the first draw. */
  readonly commitment: string
}

/**
 * `npm run demo`: the tour. It plays two diners against a running server (or one of its own), shows every push as it
 * comes, and at the end holds everything it saw against everything else; exits 0 only if all agrees.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { values } = parseArgs({ args, options: { url: { type: 'string' } } })
    const config = { ...readSettings(), LOG_LEVEL: 'warn' }
    const address = values.url ?? (await findInstance(config.DATA_DIR))?.address
    if (address !== undefined) return tour(address)
    say('no service is running: starting one for the tour')
    const own = await start({ ...config, PORT: 0 }, { quiet: true })
    try {
      const code = await tour(own.service.address)
      print('It stops now; `npm start` shows all of it again.')
      return code
    } finally {
      await own.stop()
    }
  })
}

const print = (text = '') => process.stdout.write(`${text}\n`)
const heading = (text: string) => print(`\n${pc.bold(pc.cyan(text))}`)
const newMobile = () => `13${randomInt(100_000_000, 1_000_000_000)}`

/** @throws Fault, and then too nobody's socket is left open */
async function tour(address: string): Promise<number> {
  try {
    return await tell(address)
  } finally {
    for (const person of people.splice(0)) person.close()
  }
}

/** Everybody who has a socket. */
const people: Person[] = []

function enter(address: string, name: string): Person {
  const person = new Person(address, name, showPush)
  people.push(person)
  return person
}

async function tell(address: string): Promise<number> {
  print(pc.dim(`the service at ${address}`))

  heading('1. A diner logs in')
  const diner = enter(address, '阿明')
  const entered = await diner.login(newMobile())
  const { user_info: user } = entered
  print(`   ${user.nickname} (${user.mobile}), ${entered.is_new_user ? 'new' : 'known'}, ${user.total_points} points`)
  await diner.open()

  heading('2. A receipt becomes points')
  const merchant = await openShop(address, '店长', SAMPLE_MERCHANT)
  const receipt = await earnPoints(merchant, diner)

  heading('3. The wheel')
  const wheel = await showWheel(diner)

  heading('4. Ten draws: one, three, then one by one until the guarantee')
  const draws: Draw[] = []
  for (const type of ['single', 'triple', ...Array(6).fill('single')] as DrawType[]) {
    draws.push(await drawAndShow(diner, type, wheel))
  }

  heading('5. A friend draws ten at once')
  const friend = enter(address, '小红')
  await friend.login(newMobile())
  await friend.open()
  const tenfold = [await drawAndShow(friend, 'ten', wheel)]

  heading('6. A prize at the counter')
  const notices = [await redeemPrize(merchant, diner, draws)]

  heading('7. The points shop: an order on its way, and one with second thoughts')
  const shop = await visitShop(merchant, diner)

  heading('8. The friend sends the same receipt, and is refused')
  const repeated = await tryRepeat(merchant, friend, receipt.uploadId)

  heading('9. A receipt is approved for less; the appeal is decided by another merchant, and won')
  const second = await openShop(address, '副店长', SECOND_MERCHANT)
  const appealed = await appealAndWin({ merchant, second, diner })

  heading('10. The ledger, and the statement of it, checked by its chain')
  const story = { receipt, draws, after: [...notices, ...shop, ...appealed] }
  const faults = [
    ...(await showAndCheck(diner, user.total_points, story, wheel)),
    ...(await showAndCheck(friend, user.total_points, { draws: tenfold, after: [repeated] }, wheel)),
    ...(await checkStatement(diner))
  ]
  if (faults.length === 0) {
    heading('11. A draw is checked')
    await proveDraw(diner, draws[1] as Draw, wheel.commitment)
  }

  print()
  if (faults.length > 0)
    throw new Fault(`What the tour saw does not agree:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
  print(
    pc.green(
      'Everything agrees: answers, pushes, ledger, statistics, the guarantee, the statement, and the proof of a draw.'
    )
  )
  const waiting = await leaveForVisitor(diner, friend)
  print(`\nLook at it yourself: ${address}/console, as ${SAMPLE_MERCHANT} (its code is filled in). ${waiting}`)
  return 0
}

function showPush(client: Person, frame: Frame): void {
  if (frame.type === 'pong') return
  const { type, data } = frame as { type: string; data: Record<string, unknown> }
  const text =
    type === 'points_update'
      ? `${data.reason_text} ${Number(data.change_points) > 0 ? '+' : ''}${data.change_points} → ${data.total_points}`
      : type === 'lottery_result'
        ? (data.results as { prize_name: string }[]).map((result) => result.prize_name).join('、')
        : type === 'new_review'
          ? `${data.amount} yuan, to be reviewed`
          : type === 'new_appeal'
            ? `${data.amount} yuan, it says: ${data.message}`
            : type === 'stock_update'
              ? `${data.product_name}: ${data.current_stock} left`
              : String(data.message ?? data.content ?? '')
  print(`   ${pc.magenta('⇠ /ws')} ${pc.dim(client.name)} ${pc.yellow(type)} ${text}`)
}

/** A receipt of this tour: what was promised for it, and what it gave. */
interface Receipt {
  readonly uploadId: string
  readonly points: number
  readonly balance: number
}

const TOTAL = '58.50'

/** Something to do for whoever comes to look, once all is checked. @returns what it is */
async function leaveForVisitor(diner: Person, friend: Person): Promise<string> {
  await sendReceipt(diner, '41.20')
  await sendReceipt(friend, '41.20')
  return 'Two receipts wait there, and one of them is not new.'
}

/** A sample merchant logs in. */
async function openShop(address: string, name: string, mobile: string): Promise<Person> {
  const merchant = enter(address, name)
  const { user_info: who } = await merchant.login(mobile)
  if (!who.is_merchant) throw new Fault(`The account ${mobile} is no merchant here: the tour needs one.`)
  await merchant.open()
  return merchant
}

/** The diner photographs a receipt, and the sample merchant approves it. */
async function earnPoints(merchant: Person, diner: Person): Promise<Receipt> {
  const upload = await sendReceipt(diner, TOTAL)
  print(`   ${upload.amount} yuan, ${upload.file_size} bytes, ${upload.expected_points} points expected`)
  print(`   ${pc.dim(upload.image_url)}`)
  await merchant.waitFor((frame) => frame.type === 'new_review' && frame.data.upload_id === upload.upload_id)
  const review = await merchant.api.merchant.reviewsApprove({ id: upload.upload_id, actual_amount: Number(TOTAL) })
  await diner.waitFor((frame) => frame.type === 'points_update' && frame.data.reason === 'photo_review')
  if (review.points_awarded !== upload.expected_points)
    throw new Fault('The review gave other points than were promised.')
  return { uploadId: upload.upload_id, points: review.points_awarded, balance: review.user_new_balance }
}

async function showWheel(client: Person): Promise<Wheel> {
  const config = await client.api.lottery.config()
  for (const prize of config.prizes) {
    const odds = `${(prize.probability * 100).toFixed(1).padStart(5)} %`
    const effective = pc.dim(`(with the guarantee ${(prize.effective_probability * 100).toFixed(2)} %)`)
    print(`   ${String(prize.angle).padStart(3)}°  ${odds} ${effective}  ${prize.name}`)
  }
  print(`   ${config.lottery_rules.guarantee_rule}`)
  const { pityLimit, pityPrizeName } = config.pitySystem
  const { server_seed_hash: commitment } = config.fairness
  return { cost: config.cost_points, pityLimit, pityPrize: pityPrizeName, commitment }
}

async function drawAndShow(client: Person, type: DrawType, { pityLimit, pityPrize }: Wheel): Promise<Draw> {
  const draw = await client.api.lottery.draw({ draw_type: type })
  await client.waitFor((frame) => frame.type === 'lottery_result' && frame.data.draw_id === draw.draw_id)
  await client.waitFor((frame) => frame.type === 'points_update' && frame.data.total_points === draw.user_points)
  const { current_count: count } = draw.pity
  const bar = pc.green('●'.repeat(count)) + pc.dim('○'.repeat(Math.max(0, pityLimit - count)))
  const hit = draw.results.find((result) => result.prize_name === pityPrize)
  const news =
    hit === undefined ? '' : pc.red(` ${pityPrize} ${hit.is_pity ? 'guaranteed' : 'by chance'}: it counts anew`)
  print(`   ${type.padEnd(6)} ${bar} ${count}/${pityLimit}${news}`)
  return draw
}

/** What happened to a diner on this tour. */
interface Story {
  readonly receipt?: Receipt
  readonly draws: readonly Draw[]
  /** What came after the draws, in its order. */
  readonly after: readonly Told[]
}

/** Everything about one diner that contradicts something else. */
async function showAndCheck(
  client: Person,
  opening: number,
  { receipt, draws, after }: Story,
  wheel: Wheel
): Promise<string[]> {
  const faults: string[] = []
  const expect = (what: string, found: unknown, expected: unknown) => {
    if (found !== expected) faults.push(`${client.name}: ${what} is ${found}, not ${expected}`)
  }
  const results = draws.flatMap((draw) => draw.results)
  const won = results.reduce((sum, result) => sum + result.points_awarded, 0)
  const earned = receipt?.points ?? 0
  const shopping = after.reduce((sum, { points }) => sum + points, 0)
  const balance = opening + earned - results.length * wheel.cost + won + shopping

  const { records } = await client.api.user.pointsRecords({ limit: 50 })
  for (const row of records) {
    const points = `${row.points > 0 ? '+' : ''}${row.points}`.padStart(6)
    print(`   ${pc.dim(client.name)} ${points} → ${String(row.balance_after).padStart(5)}  ${row.description}`)
  }
  let running = 0
  for (const row of [...records].reverse()) {
    running += row.points
    expect(`balance_after of ledger row ${row.id}`, row.balance_after, running)
  }
  expect('the sum of the ledger', running, balance)

  const statistics = await client.api.lottery.statistics()
  print(
    `   ${pc.dim(client.name)} ${statistics.total_draws} draws, ${statistics.total_cost} points spent, ` +
      `${statistics.total_points_won} won, ${statistics.remaining_to_pity} to the guarantee`
  )
  expect('the number of draws in the statistics', statistics.total_draws, results.length)
  expect('the cost in the statistics', statistics.total_cost, results.length * wheel.cost)
  expect('the balance of the user', (await client.api.user.info()).total_points, balance)

  let sincePity = 0
  for (const [index, result] of results.entries()) {
    expect(`"guaranteed" of draw ${index + 1}`, result.is_pity, sincePity === wheel.pityLimit - 1)
    sincePity = result.prize_name === wheel.pityPrize ? 0 : sincePity + 1
  }
  expect('the way to the guarantee', (await client.api.lottery.pityStatus()).current_count, sincePity)

  const pushes = client.frames
    // Stock is everyone's news: others may be shopping too.
    .filter(({ type }) => !['connected', 'pong', 'stock_update'].includes(type))
    .map((frame) => frame as { type: string; data: Record<string, unknown> })
    .map(({ type, data }) => `${type} ${data.draw_id ?? data.upload_id ?? data.total_points ?? data.type}`)
  const expected = [
    ...(receipt === undefined ? [] : [`review_result ${receipt.uploadId}`, `points_update ${receipt.balance}`]),
    ...draws.flatMap((draw) => [`lottery_result ${draw.draw_id}`, `points_update ${draw.user_points}`]),
    ...after.map(({ push }) => push)
  ]
  expect('the sequence of pushes', pushes.join(', '), expected.join(', '))
  const ids = client.frames.map((frame) => frame.id)
  expect(
    'the order of frame ids',
    ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? 0)),
    true
  )
  return faults
}
