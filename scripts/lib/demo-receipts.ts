import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import pc from 'picocolors'
import type { Told as Frame, Person } from './demo-client.js'
import type { Told } from './demo-shop.js'
import { Fault } from './print.js'
import { receiptPicture } from './receipt-picture.js'

const TOTAL = '58.50'
const WHOLE = '85.80'
const COMPARED_WITHIN_MS = 15_000

const line = (text: string) => process.stdout.write(`   ${text}\n`)
const pushOf = (type: string, id: unknown) => `${type} ${id}`
const isOf = (type: string, uploadId: string) => (frame: Frame) =>
  frame.type === type && frame.data.upload_id === uploadId

/** A diner photographs a receipt over an amount. The same amount is the same photograph. */
export async function sendReceipt(diner: Person, total: string) {
  const photo = new Blob([new Uint8Array(await receiptPicture(total))], { type: 'image/jpeg' })
  return diner.api.photo.upload({ photo, amount: total })
}

/** The friend sends the diner's photograph; the merchant sees it beside the first one, and refuses. */
export async function tryRepeat(merchant: Person, friend: Person, first: string): Promise<Told> {
  const upload = await sendReceipt(friend, TOTAL)
  await merchant.waitFor(isOf('new_review', upload.upload_id))
  const { evidence, risk } = await comparedReview(merchant, upload.upload_id)
  const same = evidence?.find((each) => each.upload_id === first)
  if (risk !== 'high' || same?.kind !== 'same_file') throw new Fault('A repeated photograph was not shown as one.')
  line(pc.red(`risk ${risk}: ${same.kind} of ${same.user.nickname} (${same.user.mobile}), ${same.status}`))
  await merchant.api.merchant.reviewsReject({
    id: upload.upload_id,
    reason_code: 'already_used',
    reason: '这张小票已兑换过积分'
  })
  await friend.waitFor(isOf('review_result', upload.upload_id))
  return { push: pushOf('review_result', upload.upload_id), points: 0 }
}

/** What a reviewer sees of a receipt once it is compared, which is a matter of moments. */
async function comparedReview(merchant: Person, uploadId: string) {
  const deadline = Date.now() + COMPARED_WITHIN_MS
  for (;;) {
    const review = await merchant.api.merchant.reviewsById({ id: uploadId })
    if (review.evidence !== null) return review
    if (Date.now() > deadline) throw new Fault('A receipt was not compared.')
    await pause(100)
  }
}

/** One merchant misreads a receipt; the diner appeals; another merchant looks again, and pays the difference. */
export async function appealAndWin(people: { merchant: Person; second: Person; diner: Person }): Promise<Told[]> {
  const { merchant, second, diner } = people
  const { upload_id: id, expected_points: promised } = await sendReceipt(diner, WHOLE)
  const reviewed = await merchant.api.merchant.reviewsApprove({ id, actual_amount: Number(TOTAL) })
  line(`${WHOLE} yuan claimed, ${TOTAL} confirmed: ${reviewed.points_awarded} points of ${promised}`)
  await diner.api.photo.appeal({ id, message: '小票上是 85.80 元', amount: Number(WHOLE) })
  await second.waitFor(isOf('new_appeal', id))
  const decided = await second.api.merchant.appealsOverturn({
    id,
    actual_amount: Number(WHOLE),
    reason: '已核对，补发积分'
  })
  await diner.waitFor((frame) => isOf('review_result', id)(frame) && frame.data.points_awarded === promised)
  await diner.waitFor(({ type, data }) => type === 'points_update' && data.total_points === decided.user_new_balance)
  if (decided.points_awarded !== promised) throw new Fault('The appeal paid other points than were promised.')
  return [
    { push: pushOf('review_result', id), points: reviewed.points_awarded },
    { push: pushOf('points_update', reviewed.user_new_balance), points: 0 },
    { push: pushOf('review_result', id), points: decided.points_paid },
    { push: pushOf('points_update', decided.user_new_balance), points: 0 }
  ]
}

/** Follows the statement of a diner row by row, as anybody can who has it. @returns what does not follow */
export async function checkStatement(diner: Person): Promise<string[]> {
  const statement = await diner.api.user.pointsStatement()
  const faults: string[] = []
  let { opening_balance: balance, opening_hash: hash } = statement
  for (const row of statement.rows) {
    balance += row.points
    const fields = [hash, statement.user_id, row.seq, row.points, balance, row.source, row.related_id ?? '']
    hash = createHash('sha256')
      .update([...fields, row.created_at, row.description].join('\n'))
      .digest('hex')
    if (hash !== row.hash) faults.push(`${diner.name}: row ${row.seq} of the statement does not follow`)
  }
  if (balance !== statement.closing_balance) faults.push(`${diner.name}: the statement does not add up`)
  line(
    `${statement.rows.length} rows of the statement follow from one another, the last is ${pc.dim(hash.slice(0, 16))}…`
  )
  return faults
}
