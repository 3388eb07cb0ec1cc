import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { csvHeaders } from '../shared/csv.js'
import { businessDay } from '../shared/time.js'

/**
 * Sends a file instead of a route's JSON, named by the business day. Fastify sends a stream as it is, past the schema
 * of the JSON answer, which is all that the types of a route know.
 */
export function sendCsv({ server }: FastifyRequest, reply: FastifyReply, name: string, file: Readable) {
  const day = businessDay(server.clock(), server.config.BUSINESS_TZ)
  return reply.headers(csvHeaders(name, day)).send(file)
}
