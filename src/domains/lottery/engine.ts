import type { FastifyInstance } from 'fastify'
import { batchedTx } from '../../engine/batched-tx.js'
import { type DrawAnswer, type DrawRequest, type DrawTools, drawAll } from './draw.js'

/** Makes draws for many diners at once, as {@link drawAll} makes them. */
export interface DrawEngine {
  /** @throws Refusal OVERLOADED, DATABASE_UNAVAILABLE */
  draw(request: DrawRequest): Promise<DrawAnswer>
  /** Ends when every draw that was taken has its answer. */
  close(): Promise<void>
}

export function createDrawEngine(fastTx: FastifyInstance['fastTx'], tools: DrawTools): DrawEngine {
  const { submit: draw, close } = batchedTx<DrawRequest, DrawAnswer>(fastTx, (tx, outbox, batch) =>
    drawAll(tx, outbox, tools, batch)
  )
  return { draw, close }
}
