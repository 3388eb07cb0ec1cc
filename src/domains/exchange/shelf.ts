import type { FastifyInstance, FastifyReply } from 'fastify'
import { type MadeAnswer, makeAnswer, sendMade } from '../../http/made-answer.js'
import { FreshCache } from '../../shared/fresh-cache.js'
import { success } from '../../shared/schemas.js'
import { StockUpdate } from './pushes.js'

/**
 * How old the shelf may be where no event tells of a change: another instance's without Redis, or a hand's in Studio.
 */
const MAX_AGE_MS = 1000
const MAX_ENTRIES = 500

/** Shows what is the same for every diner. */
type Shelf = <T extends object>(
  reply: FastifyReply,
  key: string,
  read: () => Promise<T>
) => Promise<ReturnType<typeof success<T>>>

/**
 * What everybody is shown of the shop, serialized and tagged once a change: every change of a product goes to all
 * instances as a push, and until then what was read holds.
 */
export function openShelf({ bus }: Pick<FastifyInstance, 'bus'>): Shelf {
  const answers = new FreshCache<MadeAnswer>(MAX_AGE_MS, MAX_ENTRIES)
  bus.subscribe((event) => {
    if (event.kind === 'push' && event.type === StockUpdate.name) answers.clear()
  })
  return async (reply, key, read) =>
    sendMade(reply, await answers.get(key, async () => makeAnswer(reply, success(await read()))))
}
