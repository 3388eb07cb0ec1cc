import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { type DestinationStream, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.js'

/** Query parameters that are secrets: they come in the address of a request, which is logged. */
const SECRET_PARAMETERS = /([?&](?:token|access_token|refresh_token)=)[^&]*/gi

/** An address as it may be logged. */
export function withoutSecrets(url: string): string {
  return url.replace(SECRET_PARAMETERS, '$1[redacted]')
}

/**
 * JSON in production, readable lines elsewhere. Headers and bodies are never logged, and secrets in addresses are
 * cut out.
 * @param destination where lines go instead of standard output
 */
export function createLogger(config: Config, destination?: DestinationStream): FastifyBaseLogger {
  const options = {
    level: config.LOG_LEVEL,
    redact: ['req.headers', 'headers.authorization', 'password', 'code', 'token', 'access_token', 'refresh_token'],
    serializers: {
      req: (request: FastifyRequest) => ({
        method: request.method,
        url: withoutSecrets(request.url),
        remoteAddress: request.ip
      }),
      err: pino.stdSerializers.err
    }
  }
  if (destination !== undefined) return pino(options, destination)
  if (config.NODE_ENV === 'production') return pino(options)
  return pino(options, pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
}
