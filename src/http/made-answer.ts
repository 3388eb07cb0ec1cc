import type { FastifyReply } from 'fastify'
import { tagOf } from './cache.js'

/** An answer that many requests share: its bytes and their ETag, made once. Nothing in it may tell of a request. */
export interface MadeAnswer {
  readonly text: string
  readonly tag: string
}

/** Serializes an answer as the route of this reply does its own. */
export function makeAnswer(reply: FastifyReply, answer: object): MadeAnswer {
  const text = reply.code(200).serialize(answer)
  const made = typeof text === 'string' ? text : Buffer.from(text as Uint8Array).toString()
  return { text: made, tag: tagOf(made) }
}

/** Sends it. To the compiler it is the answer that it was made from, so that a handler is held to its schema. */
export function sendMade<Answer>(reply: FastifyReply, { text, tag }: MadeAnswer): Answer {
  reply.madeTag = tag
  return reply.type('application/json; charset=utf-8').send(text) as unknown as Answer
}
