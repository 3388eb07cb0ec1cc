import type { FastifyReply } from 'fastify'
import { LRUCache } from 'lru-cache'
import { type MadeAnswer, makeAnswer, sendMade } from '../../http/made-answer.js'
import { success } from '../../shared/schemas.js'
import { toConfig, type WheelView } from './queries.js'
import type { LotteryConfig } from './schemas.js'

const REMEMBERED = 2000

/** Answers with the wheel. For each diner it is made once, until they draw or it changes. */
export function configAnswers() {
  const answers = new LRUCache<string, MadeAnswer>({ max: REMEMBERED })
  return (reply: FastifyReply, view: WheelView): ReturnType<typeof success<LotteryConfig>> => {
    const key = `${view.version} ${view.todayCount} ${JSON.stringify([view.pity, view.fairness])}`
    const known = answers.get(key)
    if (known !== undefined) return sendMade(reply, known)
    const made = makeAnswer(reply, success(toConfig(view)))
    answers.set(key, made)
    return sendMade(reply, made)
  }
}
